import { reactive } from "@odoo/owl";

/**
 * What the parts of a collections page share.
 *
 * @returns {{ companyId: number|false, caseId: number|false, version: number }} the
 *  company and the case chosen above, and a counter that goes up when lists must load again
 */
export function makePageState() {
    return reactive({ companyId: false, caseId: false, version: 0 });
}
