"""Take pictures of the addon's screens with the browser that is installed.

``./dev screenshots`` starts the server and calls this. Without names it takes all of
``SCREENS`` into ``static/description``; with ``--url`` it takes any other screen.
"""

import argparse
import sys
from pathlib import Path

from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import sync_playwright

ADDON = Path(__file__).resolve().parent.parent
ACTION = "/odoo/action-credit_collections."

# name: the address, and what to click before the picture, as CSS selectors
SCREENS = {
    "aged_balances": {"url": "/odoo/aged-balances", "wait": ".o_data_row"},
    "aging_over_time": {
        "url": "/odoo/aging-over-time",
        "wait": ".o_graph_canvas_container canvas",
    },
    "settlement": {
        "url": "/odoo/aged-balances",
        "click": [
            ".o_data_row:has-text('Copper Kettle') [name='days_overdue']",
            ".o_form_statusbar button[name='action_open_settlement']",
            ".modal button[name='action_mark_all']",
        ],
        "wait": ".modal [name='difference']",
    },
    "collections_page": {
        "url": "/odoo/aged-balances",
        "click": [".o_data_row:has-text('Bluebonnet') [name='days_overdue']"],
        "wait": ".o_collections_page_list .o_data_row",
    },
    "collections_status": {
        "url": "/odoo/aged-balances",
        "click": [
            ".o_data_row:has-text('Kestrel') [name='days_overdue']",
            ".o_data_row:has-text('Nov'):not(:has-text('PBNK')) "
            ".o_list_record_selector input >> nth=0",
            ".o_collections_page_list button[name='action_open_status_wizard']",
        ],
        "wait": ".modal [name='line_ids'] .o_data_row",
    },
    "worklist": {"url": "/odoo/collections-worklist", "wait": ".o_data_row"},
    "write_off": {
        "url": "/odoo/aged-balances",
        "click": [
            ".o_data_row:has-text('Sunset') .o_list_record_selector input",
            ".o_control_panel button[name='action_open_writeoff']",
        ],
        "wait": ".modal [name='preview_data'] table",
    },
    "setup": {
        "url": "/odoo/collections-setup",
        "wait": ".o_collections_setup_steps .o_data_row",
    },
    "recipients": {
        "url": "/odoo/collections-customers",
        "click": [
            ".o_data_row:has-text('Brightwater') [name='complete_name']",
            ".o_form_statusbar button[name='action_open_partner_form']",
            ".nav-link[name='collections_addresses']",
        ],
        "wait": "[name='collections_recipient_rule']",
    },
    "email": {
        "url": "/odoo/aged-balances",
        "click": [
            ".o_data_row:has-text('Brightwater') .o_list_record_selector input",
            ".o_control_panel button[name='action_send_collections_email']",
        ],
        "wait": ".modal .o_collections_note",
    },
    "portal_statement": {
        "url": "/my/statement",
        "login": "dolores",
        "wait": ".o_collections_portal_items",
    },
    "write_off_entry": {
        "url": "/odoo/collections-write-offs",
        "click": [
            ".o_data_row:has-text('Bankruptcy') [name='collections_writeoff_amount']"
        ],
        "wait": ".o_form_view [name='collections_writeoff_amount']",
    },
    "return_payment": {
        "url": "/odoo/customer-payments",
        "click": [
            ".o_data_row:has-text('Lakeside') >> nth=0",
            "button[name='action_open_nsf']",
        ],
        "wait": ".modal [name='preview_data'] table",
    },
    "returned_payments": {
        "url": "/odoo/collections-returned-payments",
        "click": [".o_facet_remove"],
        "wait": ".o_data_row",
    },
    "reimburse": {
        "url": "/odoo/collections-reimbursements",
        "click": [
            "[data-menu-xmlid='credit_collections.collections_menu_operations']",
            "[data-menu-xmlid='credit_collections.collections_menu_reimburse']",
        ],
        "wait": ".modal .o_data_row",
    },
    "reimbursements": {
        "url": "/odoo/collections-reimbursements",
        "wait": ".o_data_row",
    },
}

BROWSER_OPTIONS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev screenshots")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(SCREENS))
    parser.add_argument("--out", type=Path, help="folder for the pictures")
    parser.add_argument("--url", help="any other screen, for instance /odoo/contacts")
    parser.add_argument("--name", default="screen", help="name of the --url picture")
    parser.add_argument(
        "--click", action="append", default=[], help="CSS selector to click first"
    )
    parser.add_argument("--wait", help="CSS selector that must be there")
    parser.add_argument("--width", type=int, default=1400)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--full", action="store_true", help="the page's whole height")
    parser.add_argument("--login", default="admin", help="user, also the password")
    parser.add_argument("--server", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--browser", required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in SCREENS]
    if unknown:
        parser.error(f"no screen {', '.join(unknown)}; there is {', '.join(SCREENS)}")
    return arguments


def get_screens(arguments):
    if arguments.url:
        screen = {
            "url": arguments.url,
            "click": arguments.click,
            "wait": arguments.wait,
        }
        return {arguments.name: screen}
    return {name: SCREENS[name] for name in arguments.names or SCREENS}


def log_in(page, server, login):
    page.goto(f"{server}/web/login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", login)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/web/login" not in url, timeout=120_000)
    page.wait_for_selector(".o_navbar, #wrapwrap", timeout=120_000)


def wait_until_drawn(page):
    """Wait for the view and its data; the bus never leaves the network idle."""
    page.wait_for_selector(".o_action_manager > *", timeout=60_000)
    page.wait_for_function(
        "() => !document.querySelector('.o_blockUI, .o_loading_indicator')"
    )
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(700)


def take(page, arguments, folder, name, screen):
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{arguments.server}{screen['url']}")
    page.wait_for_selector(".o_navbar, main, #wrapwrap", timeout=60_000)
    if screen["url"].startswith("/odoo"):
        wait_until_drawn(page)
    for selector in screen.get("click", []):
        page.click(selector, timeout=15_000)
        wait_until_drawn(page)
    if screen.get("wait"):
        page.wait_for_selector(screen["wait"], timeout=15_000)
    # No tooltip of what was clicked last.
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)
    path = folder / f"{name}.png"
    page.screenshot(path=path, full_page=arguments.full, animations="disabled")
    print(path)
    if page.query_selector(".o_error_dialog"):
        problems.append(page.inner_text(".o_error_dialog"))
    for problem in problems:
        print(f"{name}: {problem}", file=sys.stderr)
    return not problems


def make_context(browser, arguments, login):
    """Return a browser window, as it were, of a user who is logged in."""
    context = browser.new_context(
        viewport={"width": arguments.width, "height": arguments.height},
        locale="en-US",
        timezone_id="UTC",
    )
    page = context.new_page()
    log_in(page, arguments.server, login)
    page.close()
    return context


def main():
    arguments = parse_arguments()
    folder = arguments.out or ADDON / "static" / "description"
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=arguments.browser, args=BROWSER_OPTIONS
        )
        contexts = {}
        done = True
        for name, screen in get_screens(arguments).items():
            login = screen.get("login", arguments.login)
            if login not in contexts:
                contexts[login] = make_context(browser, arguments, login)
            try:
                page = contexts[login].new_page()
                done = take(page, arguments, folder, name, screen) and done
            except PlaywrightTimeout as error:
                print(f"{name}: {error}", file=sys.stderr)
                page.screenshot(path=folder / f"{name}.png")
                done = False
            finally:
                page.close()
        browser.close()
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
