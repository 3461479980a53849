import { reactive } from "@odoo/owl";

/**
 * What the parts of a collections page share.
 *
 * @returns {{ balanceId: number|false, caseId: number|false }} the aged balance and the
 *  case chosen above
 */
export function makePageState() {
    return reactive({ balanceId: false, caseId: false });
}

/**
 * The aged balance whose figures the page shows.
 *
 * @param {Object} data what the server says of the customer
 * @param {Object} pageState
 * @returns {Object|undefined}
 */
export function getShownBalance(data, pageState) {
    const { balances, selected } = data;
    return (
        balances.find((balance) => balance.id === pageState.balanceId) ||
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
