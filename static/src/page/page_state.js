import { reactive } from "@odoo/owl";

/**
 * What the parts of a collections page share.
 *
 * @returns {{ companyId: number|false, caseId: number|false }} the company and the case
 *  chosen above
 */
export function makePageState() {
    return reactive({ companyId: false, caseId: false });
}
