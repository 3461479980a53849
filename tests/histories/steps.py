"""What may happen in a random history.

A step is data: its kind and the numbers of the steps whose records it works on. So a
part of a history can be told again without the rest.

Each kind is a class: `propose` finds arguments for a world as it is, or None when there
is nothing to do; `run` does it and returns what it made; `tell` says it in words.
"""

import datetime
from typing import NamedTuple

from odoo import Command, fields

from .checks import get_fingerprint
from .world import COMPANIES, CUSTOMERS, DOCUMENTS, RATES, TAXES, TERMS, Missing

KINDS = {}


class Step(NamedTuple):
    number: int
    day: datetime.date
    kind: str
    args: dict

    def __str__(self):
        text = KINDS[self.kind].tell(**self.args)
        return f"{self.number:3}. {self.day} {text}"


class NotUndone(Exception):
    """What a step did was not taken back completely."""

    def __init__(self, name, problems):
        super().__init__(name)
        self.problems = problems


class Kind:
    """One kind of step."""

    weight = 1
    undo = None  # method of kinds that can be taken back: what was made, new matches

    def __init_subclass__(cls):
        KINDS[cls.__name__] = cls

    @staticmethod
    def propose(random, world):
        """Return arguments for `run`, or None when there is nothing to do now."""
        raise NotImplementedError

    @staticmethod
    def run(world, **args):
        """Do the step.

        :return: the records that later steps may work on, or None
        :raise Missing: when what it works on is not there
        """
        raise NotImplementedError

    @classmethod
    def tell(cls, **args):
        words = "".join(
            f" {letter.lower()}" if letter.isupper() else letter
            for letter in cls.__name__
        ).strip()
        told = [
            f"{name} {TELL.get(name, str)(value)}"
            for name, value in args.items()
            if value is not None
        ]
        return f"{words}: {', '.join(told)}"


def _tell_numbers(numbers):
    return " ".join(f"#{number}" for number in numbers)


def _tell_choices(choices):
    return " ".join(f"#{number} {chosen}" for number, chosen in choices.items())


TELL = {
    "company": COMPANIES.__getitem__,
    "customer": CUSTOMERS.__getitem__,
    "term": TERMS.__getitem__,
    "lines": lambda lines: " + ".join(f"{u} ({TAXES[tax]})" for u, tax in lines),
    "choices": _tell_choices,
    "numbers": _tell_numbers,
    **dict.fromkeys(("number", "of", "credit", "to"), "#{}".format),
}


def _pick_amount(random):
    return random.choice(
        [
            random.randint(1, 500),
            random.randint(10, 9000) * 100,
            random.randint(100, 999999),
        ]
    )


def _get_amount(currency, units):
    """Return hundredths as an amount, with all the decimals that a currency has."""
    amount = units / 100 if currency.decimal_places else units
    if currency.decimal_places == 3:
        amount += (units % 10) / 1000
    return currency.round(amount)


def _pick_past(random, day, days=40):
    """Return a day on which something is booked: mostly that day, or one before."""
    return day - datetime.timedelta(days=random.choice([0, 0, random.randint(0, days)]))


def _pick_numbers(random, found, most=3):
    """Return a few of the documents of one customer."""
    numbers = found[random.choice(list(found))]
    if random.random() < 0.7:
        numbers = numbers[-5:]  # what happened lately
    return sorted(random.sample(numbers, random.randint(1, min(most, len(numbers)))))


def _pick_share(random):
    """Return which share of an amount is paid: often all of it, None."""
    return random.choice([None, None, 0.3, 0.5, round(random.uniform(0.01, 1.1), 3)])


# === DOCUMENTS AND MONEY === #


class Invoice(Kind):
    weight = 16

    @staticmethod
    def propose(random, world):
        return {
            "company": random.choice([0, 0, 1, 2]),
            "customer": random.choice([0, 0, 1, 2, 3]),
            "move_type": random.choice(["out_invoice"] * 5 + ["out_refund"]),
            "currency": random.choice(["USD", "USD", "EUR", "JPY", "BHD"]),
            "term": random.randrange(len(world.terms)),
            "date": _pick_past(random, world.day),
            "lines": [
                (_pick_amount(random), random.choice([0, 0, 1, 1, 2, 3]))
                for _line in range(random.choice([1, 1, 2, 3]))
            ],
        }

    @staticmethod
    def run(world, company, customer, move_type, currency, term, date, lines):
        company = world.companies[company]
        currency = world.currencies[currency]
        account = world.accounts[company]["income"]
        move = world.get_env(company)["account.move"].create(
            {
                "move_type": move_type,
                "company_id": company.id,
                "partner_id": world.customers[customer].id,
                "currency_id": currency.id,
                "invoice_date": date,
                "date": date,
                "invoice_payment_term_id": world.terms[term].id,
                "invoice_line_ids": [
                    Command.create(
                        {
                            "name": "Goods",
                            "account_id": account.id,
                            "price_unit": _get_amount(currency, units),
                            "tax_ids": [
                                Command.set(world.taxes[company.root_id][tax].ids)
                            ],
                        }
                    )
                    for units, tax in lines
                ],
            }
        )
        move.action_post()
        return move


class Payment(Kind):
    weight = 9

    @staticmethod
    def propose(random, world):
        found = world.find_open(1)
        args = {
            "company": random.choice([0, 0, 1, 2]),
            "customer": random.choice([0, 0, 1, 2, 3]),
            "payment_type": random.choice(["inbound"] * 8 + ["outbound"]),
            "currency": random.choice(["USD", "USD", "EUR", "JPY", "BHD"]),
            "date": _pick_past(random, world.day),
            "units": _pick_amount(random),
            "of": None,
            "share": None,
        }
        if found and random.random() < 0.7:
            args["of"] = random.choice(found[random.choice(list(found))])
            args["share"] = random.choice([1.0, 0.98, 0.3, 0.5, 1.001])
        return args

    @staticmethod
    def run(world, company, customer, payment_type, currency, date, units, of, share):
        """Get money: a number of units, or a share of what is open of a document."""
        company = world.companies[company]
        currency = world.currencies[currency]
        partner = world.customers[customer]
        amount = _get_amount(currency, units)
        if of is not None:
            document = world.get(of)
            items = world.get_open_items(document)
            if not items:
                raise Missing
            partner = items[0].partner_id
            currency = items[0].currency_id
            if items[0].company_id.root_id != company.root_id:
                company = items[0].company_id
            amount = currency.round(
                share * abs(sum(items.mapped("amount_residual_currency")))
            )
        payment = world.get_env(company)["account.payment"].create(
            {
                "payment_type": payment_type,
                "partner_type": "customer",
                "partner_id": partner.id,
                "currency_id": currency.id,
                "amount": amount,
                "date": date,
                "journal_id": world.banks[company].id,
            }
        )
        payment.action_post()
        return payment


class BankTransaction(Kind):
    weight = 5

    @staticmethod
    def propose(random, world):
        return {
            "company": random.choice([0, 0, 1, 2]),
            "customer": random.choice([0, 0, 1, 2]),
            "date": _pick_past(random, world.day),
            "units": _pick_amount(random) * random.choice([1, 1, 1, -1]),
            "foreign": random.choice([None, None, None, "EUR", "JPY"]),
        }

    @staticmethod
    def run(world, company, customer, date, units, foreign):
        company = world.companies[company]
        env = world.get_env(company)
        amount = _get_amount(company.currency_id, units)
        vals = {
            "journal_id": world.banks[company].id,
            "payment_ref": "Bank",
            "date": date,
            "amount": amount,
            "partner_id": world.customers[customer].id,
            "counterpart_account_id": world.accounts[company]["receivable"].id,
        }
        if foreign:
            currency = world.currencies[foreign]
            vals.update(
                foreign_currency_id=currency.id,
                amount_currency=company.currency_id._convert(
                    amount, currency, company, date
                ),
            )
        return env["account.bank.statement.line"].create(vals)


class CreditNote(Kind):
    weight = 3

    @staticmethod
    def propose(random, world):
        numbers = world.find(
            "account.move",
            lambda moves: (
                len(moves) == 1
                and moves.state == "posted"
                and moves.move_type == "out_invoice"
            ),
        )
        if not numbers:
            return None
        return {
            "of": random.choice(numbers),
            "date": _pick_past(random, world.day),
            "matched": random.random() < 0.5,
        }

    @staticmethod
    def run(world, of, date, matched):
        """Take an invoice back with a credit note, matched with it or not."""
        invoice = world.get(of, "account.move")
        if invoice.state != "posted":
            raise Missing
        company_currency = invoice.company_id.currency_id
        if invoice.currency_id != company_currency and (
            "on_payment" in invoice.line_ids.tax_ids.mapped("tax_exigibility")
        ):
            # Bare Odoo as well leaves open there what is won or lost on the currency.
            matched = False
        refund = invoice._reverse_moves(
            [{"invoice_date": date, "date": date}], cancel=matched
        )
        if refund.state == "draft":
            refund.action_post()
        return refund


# === MATCHING === #


class Match(Kind):
    weight = 12

    @staticmethod
    def propose(random, world):
        debits, credits = world.find_open(1), world.find_open(-1)
        keys = [key for key in debits if key in credits]
        if not keys:
            return None
        key = random.choice(keys)
        return {
            "numbers": sorted(
                {
                    *_pick_numbers(random, {key: debits[key]}),
                    *_pick_numbers(random, {key: credits[key]}, 2),
                }
            ),
            "part": random.choice([None, None, None, 0, 1]),
        }

    @staticmethod
    def run(world, numbers, part):
        """Reconcile the items, or only one item of each: say the second instalment."""
        items = world.env["account.move.line"]
        for records in world.get_all(numbers):
            found = world.get_open_items(records)
            items |= found if part is None else found[part : part + 1]
        if len(items) < 2:
            raise Missing
        items.with_env(world.get_env(items[0].company_id)).reconcile()

    @staticmethod
    def undo(made, partials):
        _remove_one_by_one(partials)


def _remove_one_by_one(partials):
    """Remove matches as users do on invoices; others go with them."""
    for partial in partials:
        partial = partial.exists()
        if partial:
            move = partial.debit_move_id.move_id
            move.js_remove_outstanding_partial(partial.id)


class AssignCredit(Kind):
    weight = 3

    @staticmethod
    def propose(random, world):
        debits, credits = world.find_open(1), world.find_open(-1)
        keys = [key for key in debits if key in credits]
        if not keys:
            return None
        key = random.choice(keys)
        return {
            "credit": random.choice(credits[key]),
            "to": random.choice(debits[key]),
        }

    @staticmethod
    def run(world, credit, to):
        """Add an outstanding credit on the form of an invoice."""
        items = world.get_open_items(world.get(credit))
        debits = world.get_open_items(world.get(to, "account.move"))
        if not items or not debits:
            raise Missing
        # A write-off can have several entries.
        debits[:1].move_id.js_assign_outstanding_line(items[:1].id)

    @staticmethod
    def undo(made, partials):
        _remove_one_by_one(partials)


class PayWizard(Kind):
    weight = 14

    @staticmethod
    def propose(random, world):
        found = world.find_open()
        found = {
            key: [n for n in numbers if world.made[n]._name == "account.move"]
            for key, numbers in found.items()
        }
        found = {key: numbers for key, numbers in found.items() if numbers}
        if not found:
            return None
        return {
            "numbers": _pick_numbers(random, found),
            "date": _pick_past(random, world.day),
            "share": _pick_share(random),
            "currency": random.choice([None, None, None, "USD", "EUR", "JPY"]),
            "use": random.choice([None, None, None, "always", "never"]),
            "grouped": random.choice([None, True, False]),
            "difference": random.choice([None, None, "reconcile"]),
        }

    @staticmethod
    def run(world, numbers, date, share, currency, use, grouped, difference):
        """Press Pay on invoices: all, a share, in a currency, one or many payments."""
        moves = world.env["account.move"]
        for records in world.get_all(numbers):
            if records._name == "account.move" and world.get_open_items(records):
                moves |= records
        if not moves:
            raise Missing
        company = moves[0].company_id
        env = world.get_env(company)
        wizard = (
            env["account.payment.register"]
            .with_context(active_model="account.move", active_ids=moves.ids)
            .create({"payment_date": date})
        )
        if currency:
            wizard.currency_id = world.currencies[currency]
        if use:
            wizard.use_cash_discount = use
        if grouped is not None and wizard.can_edit_wizard:
            wizard.group_payment = grouped
        if share is not None and wizard.can_edit_wizard:
            wizard.amount = wizard.currency_id.round(wizard.amount * share)
            if difference:
                wizard.payment_difference_handling = difference
                wizard.writeoff_account_id = world.accounts[company]["differences"]
        return wizard._create_payments()

    @staticmethod
    def undo(made, partials):
        made.action_cancel()
        # What was paid together is matched with one another as well.
        _remove_one_by_one(partials)


class SettleWizard(Kind):
    weight = 9

    @staticmethod
    def propose(random, world):
        debits, credits = world.find_open(1), world.find_open(-1)
        keys = [key for key in debits if key in credits]
        if not keys:
            return None
        key = random.choice(keys)
        numbers = _pick_numbers(random, {key: debits[key]})
        numbers += _pick_numbers(random, {key: credits[key]}, 2)
        choices = {}
        for number in sorted(set(numbers)):
            choices[number] = (
                random.choice([None, None, None, 0.5, round(random.random(), 3)]),
                random.choice([None, None, None, None, 0.01]),
                random.choice([None, None, "always", "never"]),
            )
        return {
            "choices": choices,
            "date": _pick_past(random, world.day),
            "by_date": random.random() < 0.3,
        }

    @staticmethod
    def run(world, choices, date, by_date):
        """Settle: (share to settle, share as discount, use) of items by document."""
        items = world.env["account.move.line"]
        values = {}
        for number, chosen in choices.items():
            try:
                found = world.get_open_items(world.get(number))
            except Missing:
                continue
            items |= found
            values.update(dict.fromkeys(found, chosen))
        if not items:
            raise Missing
        env = world.get_env(items[0].company_id)
        Wizard = env["collections.settlement.wizard"].with_context(
            active_model="account.move.line", active_ids=items.ids
        )
        lines = []
        for item, (share, discount, use) in values.items():
            vals = {"move_line_id": item.id, "marked": True}
            residual = item.amount_residual_currency
            if share is not None:
                vals["amount_to_settle"] = item.currency_id.round(share * residual)
            if discount is not None and item.discount_date:
                vals["cash_discount_to_take"] = item.currency_id.round(
                    discount * residual
                )
                world.has_discount_by_hand = True
            if use:
                vals["use_cash_discount"] = use
            lines.append(Command.create(vals))
        wizard = Wizard.create(
            {
                "date": date,
                "line_ids": lines,
                **({"discount_date_basis": "selected"} if by_date else {}),
            }
        )
        wizard.action_settle()

    @staticmethod
    def undo(made, partials):
        _remove_one_by_one(partials)


class Unmatch(Kind):
    weight = 7

    @staticmethod
    def propose(random, world):
        numbers = [
            number
            for model in DOCUMENTS
            for number in world.find(
                model,
                lambda records: any(
                    item.matched_debit_ids or item.matched_credit_ids
                    for item in world.get_items(records)
                ),
            )
        ]
        if not numbers:
            return None
        return {
            "number": random.choice(numbers),
            "what": random.choice(["all", "one", "one", "discount"]),
            "position": random.randrange(6),
        }

    @staticmethod
    def run(world, number, what, position):
        """Take matches apart: all, one, or what a discount entry is matched with."""
        items = world.get_items(world.get(number))
        partials = (items.matched_debit_ids | items.matched_credit_ids).sorted("id")
        if not partials:
            raise Missing
        counterparts = (partials.debit_move_id | partials.credit_move_id).move_id
        world.unmatched_ids.update(counterparts.ids)
        if what == "all":
            items.remove_move_reconcile()
        elif what == "one":
            # Nobody is offered to take what was won or lost on a currency apart.
            partials = partials.filtered(
                lambda partial: (
                    not (
                        partial.debit_move_id | partial.credit_move_id
                    ).move_id.exchange_diff_partial_ids
                )
            )
            if not partials:
                raise Missing
            partial = partials[position % len(partials)]
            _note_discounts_taken_off(
                world, (partial.debit_move_id | partial.credit_move_id).move_id
            )
            items[0].move_id.js_remove_outstanding_partial(partial.id)
        else:
            entries = partials.cash_discount_move_id.sorted("id").filtered(
                lambda move: move._is_in_force()
            )
            if not entries:
                raise Missing
            entry = entries[position % len(entries)]
            _note_discounts_taken_off(world, entry)
            entry.line_ids.remove_move_reconcile()


def _note_discounts_taken_off(world, entries):
    """Only these may go while the payment that earned them stays matched."""
    partials = world.env["account.partial.reconcile"].search(
        [("cash_discount_move_id", "in", entries.ids)]
    )
    world.reversed_by_hand.update(partials.cash_discount_move_id.ids)


class ReverseDiscount(Kind):
    weight = 1

    @staticmethod
    def propose(random, world):
        ids = _get_discounts(world)
        if not ids:
            return None
        return {
            "position": random.randrange(len(ids)),
            "date": _pick_past(random, world.day, 10),
        }

    @staticmethod
    def run(world, position, date):
        """Reverse the entry of a discount by hand."""
        ids = _get_discounts(world)
        if position >= len(ids):
            raise Missing
        move = world.env["account.move"].browse(ids[position])
        move = move.with_env(world.get_env(move.company_id))
        move._reverse_moves([{"date": max(date, move.date)}], cancel=True)
        world.reversed_by_hand.add(move.id)


def _get_discounts(world):
    partials = world.env["account.partial.reconcile"].search(
        [("cash_discount_move_id", "!=", False)]
    )
    entries = partials.cash_discount_move_id
    return entries.filtered(lambda move: move._is_in_force()).sorted("id").ids


# === STATES OF DOCUMENTS === #


class Draft(Kind):
    weight = 3

    @staticmethod
    def propose(random, world):
        numbers = world.find("account.move") + world.find("account.payment")
        if not numbers:
            return None
        return {
            "number": random.choice(numbers),
            "then": random.choice(["post", "post", "cancel", "stay", "change"]),
        }

    @staticmethod
    def run(world, number, then):
        """Reset to draft, and post again, cancel, or leave it."""
        records = world.get(number)
        if records._name == "account.payment":
            records.action_draft()
        else:
            records.button_draft()
        if then == "change" and records._name == "account.payment":
            for payment in records:
                payment.amount = payment.currency_id.round(payment.amount * 0.75)
        if then in ("post", "change"):
            records.action_post()
        elif then == "cancel":
            _cancel(records)


class Cancel(Kind):
    weight = 2

    @staticmethod
    def propose(random, world):
        numbers = world.find("account.move") + world.find("account.payment")
        return {"number": random.choice(numbers)} if numbers else None

    @staticmethod
    def run(world, number):
        _cancel(world.get(number))


def _cancel(records):
    if records._name == "account.payment":
        records.action_cancel()
    else:
        records.button_cancel()


class Post(Kind):
    weight = 2

    @staticmethod
    def propose(random, world):
        numbers = world.find(
            "account.move",
            lambda moves: any(move.state == "draft" for move in moves),
        ) + world.find(
            "account.payment",
            lambda payments: any(payment.state == "draft" for payment in payments),
        )
        return {"number": random.choice(numbers)} if numbers else None

    @staticmethod
    def run(world, number):
        """Post what is in draft."""
        records = world.get(number).filtered(lambda record: record.state == "draft")
        if not records:
            raise Missing
        records.action_post()


class Delete(Kind):
    weight = 1

    @staticmethod
    def propose(random, world):
        numbers = world.find("account.move") + world.find("account.payment")
        numbers += world.find("account.bank.statement.line")
        return {"number": random.choice(numbers)} if numbers else None

    @staticmethod
    def run(world, number):
        """Reset to draft where that is needed, and delete."""
        records = world.get(number)
        if records._name == "account.payment":
            records.action_draft()
        elif records._name == "account.move":
            records.filtered(lambda move: move.state == "posted").button_draft()
        records.unlink()


# === WRITE-OFFS === #


class WriteOff(Kind):
    weight = 7

    @staticmethod
    def propose(random, world):
        found = world.find_open()
        if not found:
            return None
        return {
            "numbers": _pick_numbers(random, found),
            "date": _pick_past(random, world.day),
            "share": random.choice([None, None, 0.5, round(random.random(), 3)]),
            "separate_tax": random.random() < 0.5,
        }

    @staticmethod
    def run(world, numbers, date, share, separate_tax):
        """Write off documents, or a share of each item."""
        items = world.env["account.move.line"]
        for records in world.get_all(numbers):
            items |= world.get_open_items(records)
        if not items:
            raise Missing
        items = items.with_env(world.get_env(items[0].company_id))
        vals = {"date": date, "separate_tax": separate_tax}
        if share is not None:
            vals["line_ids"] = [
                Command.create(
                    {
                        "move_line_id": item.id,
                        "amount": item.currency_id.round(
                            share * item.amount_residual_currency
                        ),
                    }
                )
                for item in items
            ]
        return world.case._write_off(items, **vals)

    @staticmethod
    def undo(made, partials):
        posted = made.filtered(lambda move: move.state == "posted")
        if posted:
            posted.action_reverse_writeoff()
        (made - posted).unlink()


class ReverseWriteOff(Kind):
    weight = 3

    @staticmethod
    def propose(random, world):
        numbers = world.find(
            "account.move", lambda moves: moves._filter_writeoffs_in_force() == moves
        )
        if not numbers:
            return None
        return {
            "number": random.choice(numbers),
            "date": random.choice([None, _pick_past(random, world.day)]),
        }

    @staticmethod
    def run(world, number, date):
        moves = world.get(number, "account.move")
        moves.action_reverse_writeoff(date and fields.Date.to_string(date))
        return moves.reversal_move_ids.sorted("id")[-1:]


# === RETURNED PAYMENTS === #


class ReturnPayment(Kind):
    weight = 5

    @staticmethod
    def propose(random, world):
        numbers = world.find(
            "account.payment",
            lambda payments: (
                not any(payment.state == "rejected" for payment in payments)
            ),
        )
        if not numbers:
            return None
        return {
            "number": random.choice(numbers),
            "date": _pick_past(random, world.day, 10),
            "fee": random.random() < 0.4,
        }

    @staticmethod
    def run(world, number, date, fee):
        payments = world.get(number, "account.payment")
        wizard = (
            payments.env["collections.nsf.wizard"]
            .with_context(active_model="account.payment", active_ids=payments.ids)
            .create({"date": date, "charge_fee": fee})
        )
        wizard.action_process()
        return wizard.return_ids

    @staticmethod
    def undo(made, partials):
        made.action_undo()


class UndoReturn(Kind):
    weight = 3

    @staticmethod
    def propose(random, world):
        numbers = world.find(
            "collections.payment.return",
            lambda returns: returns._filter_in_force() == returns,
        )
        if not numbers:
            return None
        return {
            "number": random.choice(numbers),
            "date": random.choice([None, _pick_past(random, world.day, 10)]),
        }

    @staticmethod
    def run(world, number, date):
        returns = world.get(number, "collections.payment.return")
        returns.action_undo(date and fields.Date.to_string(date))


# === REIMBURSEMENTS === #


class Reimburse(Kind):
    weight = 4

    @staticmethod
    def propose(random, world):
        return {
            "company": random.choice([0, 0, 1, 2]),
            "customer": random.choice([None, 0, 1, 2]),
            "date": _pick_past(random, world.day, 10),
            "minimum": random.choice([0, 0, 25]),
            "include_open_debits": random.random() < 0.6,
        }

    @staticmethod
    def run(world, company, customer, date, minimum, include_open_debits):
        env = world.get_env(world.companies[company])
        partners = world.customers[customer] if customer is not None else None
        wizard = env["collections.reimbursement.wizard"].create(
            {
                "partner_ids": [Command.set(partners.ids if partners else [])],
                "date": date,
                "minimum": minimum,
                "include_open_debits": include_open_debits,
            }
        )
        wizard.action_reimburse()
        return wizard.run_id.reimbursement_ids

    @staticmethod
    def undo(made, partials):
        made.action_cancel()


class CancelReimbursement(Kind):
    weight = 3

    @staticmethod
    def propose(random, world):
        numbers = world.find(
            "collections.reimbursement",
            lambda records: any(record.state == "posted" for record in records),
        )
        if not numbers:
            return None
        return {
            "number": random.choice(numbers),
            "how": random.choice(["cancel", "cancel", "cancel bill", "reverse bill"]),
        }

    @staticmethod
    def run(world, number, how):
        """Cancel reimbursements, or do what others would to their bills."""
        records = world.get(number, "collections.reimbursement")
        if how == "cancel":
            records.action_cancel()
        elif how == "cancel bill":
            records.bill_id.button_cancel()
        else:
            records.bill_id._reverse_moves(cancel=True)


class PayBill(Kind):
    weight = 2

    @staticmethod
    def propose(random, world):
        numbers = world.find(
            "collections.reimbursement",
            lambda records: any(record.state == "posted" for record in records),
        )
        if not numbers:
            return None
        return {
            "number": random.choice(numbers),
            "date": _pick_past(random, world.day, 5),
            "share": random.choice([None, 0.5]),
        }

    @staticmethod
    def run(world, number, date, share):
        """Pay the bill of a reimbursement."""
        bills = world.get(number, "collections.reimbursement").bill_id[:1]
        wizard = (
            bills.env["account.payment.register"]
            .with_context(active_model="account.move", active_ids=bills.ids)
            .create({"payment_date": date})
        )
        if share:
            wizard.amount = wizard.currency_id.round(wizard.amount * share)
        return wizard._create_payments()


class ThereAndBack(Kind):
    weight = 20

    @staticmethod
    def propose(random, world):
        kinds = [kind for kind in KINDS.values() if kind.undo]
        kind = random.choices(kinds, [kind.weight for kind in kinds])[0]
        args = kind.propose(random, world)
        return None if args is None else {"kind": kind.__name__, "args": args}

    @staticmethod
    def run(world, kind, args):
        """Do another step and take it back: the books are what they were."""
        before = get_fingerprint(world)
        Partial = world.env["account.partial.reconcile"]
        last = Partial.search([], order="id desc", limit=1).id or 0
        made = KINDS[kind].run(world, **args)
        partials = Partial.search([("id", ">", last)], order="id")
        KINDS[kind].undo(made, partials)
        after = get_fingerprint(world)
        differences = [
            f"{key}: {before.get(key)} became {after.get(key)}"
            for key in {**before, **after}
            if before.get(key) != after.get(key)
            and not (
                kind == "ReturnPayment"
                and (
                    _is_rounded_anew(world, key, before.get(key), after.get(key))
                    or _is_in_draft(world, key, before.get(key), after.get(key))
                )
            )
        ]
        if differences:
            raise NotUndone(f"undone {kind.lower()}", differences)

    @classmethod
    def tell(cls, kind, args):
        return f"there and back, {KINDS[kind].tell(**args)}"


def _is_rounded_anew(world, key, before, after):
    """Tell whether amounts of a foreign currency differ by coins of the company.

    A payment whose return is undone is matched anew. Where other matches of the item
    are gone since, Odoo rounds the exchange difference from another rest: by one coin
    for each of up to three instalments. In the currency itself, what is worth less than
    a coin of the company is closed by an exchange difference or not, by the same rest.

    :param key: account or item, see `get_fingerprint`
    :param tuple before: what was said, None for nothing
    :param tuple after: what is said now
    """
    if len(key) == 2:
        item = world.env["account.move.line"].browse(key[1])
        company, name = item.company_id, item.currency_id.name
    else:
        [company] = [own for own in world.companies if own.name == key[0]]
        name = key[3]
    own = company.currency_id
    *state, balance, amount = before or (0.0, 0.0)
    *new_state, new_balance, new_amount = after or (0.0, 0.0)
    coin = own.rounding * world.currencies[name].with_company(company).rate
    return (
        name != own.name
        and state == new_state
        and own.compare_amounts(abs(new_balance - balance), 3 * own.rounding) <= 0
        and abs(new_amount - amount) < coin
    )


def _is_in_draft(world, key, before, after):
    """Tell whether what differs is an exchange difference that is not posted yet.

    Odoo leaves that of a match with an invoice in draft in draft, too.

    :param key: account or item, see `get_fingerprint`
    :param tuple before: what was said, None for nothing
    :param tuple after: what is said now
    """
    if len(key) == 2:
        return False
    company, account, _name, currency = key
    lines = world.env["account.move.line"].search(
        [
            ("company_id.name", "=", company),
            ("account_id", "=", account),
            ("currency_id.name", "=", currency),
            ("parent_state", "=", "draft"),
            ("move_id.exchange_diff_partial_ids", "!=", False),
        ]
    )
    balance, amount = before or (0.0, 0.0)
    new_balance, new_amount = after or (0.0, 0.0)
    return amount == new_amount and not round(
        new_balance + sum(lines.mapped("balance")) - balance, 6
    )


# === THE WORLD AROUND === #


class MoveLock(Kind):
    weight = 4

    @staticmethod
    def propose(random, world):
        return {
            "company": random.choice([0, 0, 1, 2]),
            "lock": random.choice(
                [
                    "fiscalyear_lock_date",
                    "fiscalyear_lock_date",
                    "tax_lock_date",
                    "sale_lock_date",
                    "purchase_lock_date",
                ]
            ),
            "date": random.choice(
                [None, world.day - datetime.timedelta(days=random.randint(0, 120))]
            ),
        }

    @staticmethod
    def run(world, company, lock, date):
        world.companies[company].sudo().write({lock: date or False})


class ChangeRate(Kind):
    weight = 4

    @staticmethod
    def propose(random, world):
        company = random.choice([0, 2])
        own = world.companies[company].currency_id.name
        return {
            "company": company,
            "currency": random.choice([c for c in world.currencies if c != own]),
            "date": _pick_past(random, world.day, 60),
            "factor": round(random.uniform(0.7, 1.4), 4),
        }

    @staticmethod
    def run(world, company, currency, date, factor):
        """A rate that is so many times the one of the day before the history."""
        company = world.companies[company]
        rate = RATES[company.currency_id.name][currency] * factor
        world.set_rate(company, world.currencies[currency], date, rate)


PARAMETERS = {
    "collections_partial_cash_discount": [True, True, False],
    "collections_cash_discount_administration": ["unspecific", "specific"],
    "collections_credit_note_cash_discount": [True, False],
    "collections_max_overunderpayment": [0, 5],
    "collections_max_penny_difference": [0, 0.05],
    "collections_writeoff_draft": [True, False, False],
    "collections_reimbursement_vendor": ["one_time", "same"],
}


class SetParameter(Kind):
    weight = 4

    @staticmethod
    def propose(random, world):
        name = random.choice(list(PARAMETERS))
        return {
            "company": random.choice([0, 0, 1, 2]),
            "name": name,
            "value": random.choice(PARAMETERS[name]),
        }

    @staticmethod
    def run(world, company, name, value):
        world.companies[company].sudo().write({name: value})


class SetStatus(Kind):
    weight = 2

    @staticmethod
    def propose(random, world):
        found = world.find_open(1)
        if not found:
            return None
        return {
            "numbers": _pick_numbers(random, found),
            "status": random.choice(["disputed", "promised", "resolved"]),
        }

    @staticmethod
    def run(world, numbers, status):
        """Say what the customer says about items."""
        items = world.env["account.move.line"]
        for records in world.get_all(numbers):
            items |= world.get_open_items(records)
        if not items:
            raise Missing
        items[:1].action_set_collections_status(
            status,
            promise_date=world.day + datetime.timedelta(days=7),
            reason="Not delivered",
        )
