"""Compute late charges (延滞金) with the rates and the ordinance of your authority."""

import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path

from kokin import rules

# The rates of a year that was announced after this release of Kokin are added to the shipped ones.
announced = Path(tempfile.mkdtemp()) / "rates.toml"
announced.write_text("[[rates]]\nyears = [2027, 2027]\nreduced = 3.0\nfull = 9.3\nrefund = 1.5\n")
rates = rules.load_rates(announced)

due, paid = date(2026, 11, 30), date(2027, 2, 15)
print(f"tax: {rules.late_charge(86_400, due, paid, rates=rates):,} yen")
for line in rules.late_charge_segments(86_400, due, paid, rates=rates):
    print(f"  {line.first_day} to {line.last_day}: {line.days} days at {line.rate} % = {line.yen} yen")

# A water charge whose ordinance prescribes 14.6 % from the deadline of the demand, per 100 yen, without rounding.
ordinance = rules.LateChargeRule(
    base_unit=100,
    threshold=100,
    minimum=10,
    rounding=1,
    accrues_from="demand",
    reduced_until="none",
    full_rate=Decimal("14.6"),
)
charge = rules.late_charge(8_640, due, paid, rule=ordinance, demand_due_on=date(2026, 12, 28))
print(f"water: {charge:,} yen")

# Without a table the rate is missing, and Kokin does not guess it.
try:
    rules.late_charge(86_400, due, paid)
except rules.RateMissingError as error:
    print(error)
