import { reactive } from "@odoo/owl";

/**
 * Make loads of a model end in any case.
 *
 * Odoo drops a load that another one overtakes, and never says so: whoever waits for it,
 * a button, say, would wait for ever.
 *
 * @param {Object} model
 * @returns {(params: Object) => Promise<boolean>} whether no other load has overtaken it
 */
export function makeEndingLoad(model) {
    const load = model.load.bind(model);
    const waiting = new Set();
    return (params) =>
        new Promise((resolve, reject) => {
            const ending = [...waiting, resolve];
            waiting.add(resolve);
            load(params)
                .then(() => resolve(true), reject)
                .finally(() => {
                    for (const end of ending) {
                        waiting.delete(end);
                        end(false);
                    }
                });
        });
}

/**
 * What the parts of a collections page share. The next customer by the pager is shown
 * with the company and definition chosen for this one, where he has figures of them.
 *
 * @returns {{ balance: Object|false, caseId: number|false }} the aged balance (as it was
 *  then) and the case chosen above
 */
export function makePageState() {
    return reactive({ balance: false, caseId: false });
}

/**
 * The aged balance whose figures the page shows. Figures of another run are in another
 * row, of the same company and definition.
 *
 * @param {Object} data what the server says of the customer
 * @param {Object} pageState
 * @returns {Object|undefined}
 */
export function getShownBalance(data, pageState) {
    const { balances, selected } = data;
    const chosen = pageState.balance;
    return (
        balances.find(
            (balance) =>
                balance.company_id === chosen.company_id &&
                balance.definition_id === chosen.definition_id
        ) ||
        (selected !== false ? balances[selected] : undefined)
    );
}

/**
 * The company that the page is about where several are switched on.
 *
 * @param {Object} data what the server says of the customer
 * @param {Object} pageState
 * @returns {number|false} false for all of them
 */
export function getShownCompanyId(data, pageState) {
    const balance = data?.has_several_companies && getShownBalance(data, pageState);
    return balance ? balance.company_id : false;
}

/**
 * The company whose records the lists of the page show. Where there are figures of one
 * company alone, none can be chosen: the items of others are in the lists as well.
 *
 * @param {Object} data what the server says of the customer
 * @param {Object} pageState
 * @returns {number|false} false for all of them
 */
export function getListedCompanyId(data, pageState) {
    const companyIds = new Set((data?.balances || []).map((row) => row.company_id));
    return companyIds.size > 1 && getShownCompanyId(data, pageState);
}
