"""Late charges that authorities publish with all their figures, to the yen, and the parameters of real ordinances."""

from __future__ import annotations

from datetime import date

import pytest

from kokin.rules import LOCAL_TAX, LateChargeRule, late_charge, late_charge_segments

D = date.fromisoformat

PREMIUM = LateChargeRule(reduced_months=3)
FROM_DEMAND = LateChargeRule(accrues_from="demand")
CUT_AT_THE_END = LateChargeRule(segment="none")
STATUTORY = LateChargeRule(segment="none", reduced_until="none", full_rate="statutory")
INDUSTRIAL_WATER = LateChargeRule(
    base_unit=1, threshold=0, minimum=2_000, segment="none", reduced_until="none", full_rate="statutory"
)

# Rule, principal, 納期限 (or the deadline of the demand), paid; the published lines, their sum, and the charge.
PUBLISHED = {
    "豊橋市 固定資産税・都市計画税": (LOCAL_TAX, 65_000, "2021-05-31", "2022-01-31", [133, 2_883, 480], 3_496, 3_400),
    "中央市 市税": (LOCAL_TAX, 56_400, "2026-02-02", "2026-05-29", [120, 1_228], 1_348, 1_300),
    "富里市 市民税・県民税": (LOCAL_TAX, 117_300, "2024-01-31", "2024-08-31", [223, 5_131], 5_354, 5_300),
    "泉佐野市 市府民税": (LOCAL_TAX, 100_000, "2016-10-31", "2017-02-20", [230, 772, 1_257], 2_259, 2_200),
    "品川区 国民健康保険料": (PREMIUM, 100_000, "2021-04-30", "2021-10-31", None, 2_848, 2_800),
    "都城市 下水道使用料": (FROM_DEMAND, 45_000, "2017-04-30", "2017-08-31", [103, 1_020], 1_123, 1_100),
    "北見市 下水道使用料": (CUT_AT_THE_END, 48_400, "2024-05-02", "2024-10-30", None, 1_814, 1_800),
    "北見市 水道料金": (STATUTORY, 80_500, "2024-05-02", "2024-10-30", [1_190], 1_190, 1_100),
    "津市 水道料金": (STATUTORY, 100_500, "2024-04-30", "2024-10-28", [1_487], 1_487, 1_400),
    "尼崎市 工業用水道料金 62日": (INDUSTRIAL_WATER, 246_191, "2021-06-30", "2021-08-31", [1_254], 1_254, 0),
    "尼崎市 工業用水道料金 121日": (INDUSTRIAL_WATER, 246_191, "2021-06-30", "2021-10-29", [2_448], 2_448, 2_400),
}


@pytest.mark.parametrize(
    ("rule", "principal", "due_on", "paid_on", "lines", "total", "charge"), PUBLISHED.values(), ids=PUBLISHED
)
def test_a_late_charge_is_the_published_one(
    rule: LateChargeRule,
    principal: int,
    due_on: str,
    paid_on: str,
    lines: list[int] | None,
    total: int,
    charge: int,
) -> None:
    days = {"due_on": D(due_on), "paid_on": D(paid_on), "demand_due_on": D(due_on)}
    found = [line.yen for line in late_charge_segments(principal, **days, rule=rule)]
    assert lines is None or found == lines
    assert (sum(found), late_charge(principal, **days, rule=rule)) == (total, charge)


def test_the_four_readings_in_print_differ() -> None:
    """北見市: 97.84 + 1,716.16 is 1,814; the cuts of 豊橋市, 岐阜市 and 福岡市 make it 1,813."""
    days = D("2024-05-02"), D("2024-10-30")
    sums = {
        segment: sum(line.yen for line in late_charge_segments(48_400, *days, segment))
        for segment in ("year", "rate", "part", "none")
    }
    assert sums == {"year": 1_813, "rate": 1_813, "part": 1_813, "none": 1_814}


def test_the_reduced_rate_of_a_premium_lasts_92_days() -> None:
    """品川区 prints 92 days at 2.5 % and 92 days at 8.8 %."""
    lines = late_charge_segments(100_000, D("2021-04-30"), D("2021-10-31"), rule=PREMIUM)
    assert [(line.days, str(line.rate)) for line in lines] == [(92, "2.5"), (92, "8.8")]
