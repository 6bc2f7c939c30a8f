"""The catalog is complete, consistent with the rules, and extended only by the file of an authority."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from kokin import elqr, rules
from kokin.catalog import CATALOG, Catalog, CatalogError, Charge, load
from kokin.model import Bill
from kokin.rules import LateChargeRule

FOLDER = Path(__file__).parent

# All charges, with the signs below: system, charge, class, account, 時効, 延滞金.
TABLE = """
固定資産税          fixed-asset-tax                   強 一般   5 §4
固定資産税          city-planning-tax                 強 一般   5 §4
個人住民税          individual-resident-tax           強 一般   5 §4
法人住民税          corporate-resident-tax            強 一般   5 §4
軽自動車税          light-vehicle-tax                 強 一般   5 §4
国民健康保険        national-health-insurance-tax     強 国保   5 §4
国民健康保険        national-health-insurance-premium 強 国保   2 条例
後期高齢者医療      late-stage-elderly-premium        強 後期   2 条例
介護保険            long-term-care-premium            強 介護   2 条例
子ども・子育て支援  childcare-fee                     強 一般   5 条例
子ども・子育て支援  extended-childcare-fee            非 一般   5 条例
障害者福祉          disability-welfare-charge         強 一般   5 条例
児童手当            child-allowance-recovery          強 一般   2 –
児童手当            child-allowance-return            非 一般   5 –
児童扶養手当        child-rearing-allowance-recovery  強 一般   5 14.6
児童扶養手当        child-rearing-allowance-return    非 一般   5 –
健康管理            premature-infant-care-charge      強 一般   5 条例
健康管理            checkup-charge                    私 一般   5 損害金
生活保護            public-assistance-63              非 一般   5 –
生活保護            public-assistance-77-2            強 一般   5 –
生活保護            public-assistance-78              強 一般   5 –
就学                school-lunch-fee                  私 一般   5 損害金
就学                school-aid-return                 非 一般   5 条例
住民基本台帳        resident-record-fee               非 一般   5 条例
印鑑登録            seal-registration-fee             非 一般   5 条例
戸籍                family-register-fee               非 一般   5 条例
戸籍の附票          family-register-supplement-fee    非 一般   5 条例
水道                water-charge                      私 水道   5 損害金
下水道              sewerage-charge                   強 下水道 5 条例
下水道              sewerage-contribution             強 下水道 5 ≤14.5
道路                road-occupancy-fee                強 一般   5 ≤14.5
財産                property-use-fee                  非 一般   5 条例
財産                property-rent                     私 一般   5 損害金
住宅                housing-rent                      私 一般   5 損害金
"""
ROWS = [line.split() for line in TABLE.split("\n") if line]
# The parts of a slip that have none of their own, with the account of each.
PARTS_OF_THE_RESIDENT_TAX = {
    "municipal-resident-tax": "general",
    "prefectural-resident-tax": "off-budget",
    "forest-environment-tax": "off-budget",
}
SHARES = ("medical", "support", "care", "childcare")
PARTS_OF_HEALTH_INSURANCE = {f"nhi-{kind}-{share}" for kind in ("tax", "premium") for share in SHARES}

CLASSES = {"強": "compulsory", "非": "public", "私": "private"}
LATE_CHARGES = {
    "§4": "tax",
    "条例": "ordinance",
    "14.6": "fixed-14.6",
    "≤14.5": "up-to-14.5",
    "損害金": "civil",
    "–": "none",
}

STANDARD = """
児童手当 子ども・子育て支援 住民基本台帳 戸籍の附票 印鑑登録 選挙人名簿管理 固定資産税 個人住民税 法人住民税 軽自動車税
戸籍 就学 健康管理 児童扶養手当 生活保護 障害者福祉 介護保険 国民健康保険 後期高齢者医療 国民年金
"""
COMMON = "統合収納管理 統合滞納管理 宛名管理 統合宛名管理 申請管理 ユーザ管理 アクセスログ管理"


@pytest.mark.parametrize(("system", "name", "claim", "account", "years", "late_charge"), ROWS)
def test_a_charge_is_as_in_the_table(
    system: str, name: str, claim: str, account: str, years: str, late_charge: str
) -> None:
    charge = CATALOG.charge(name)
    assert CATALOG.systems[charge.system].ja == system
    assert charge.claim.value == CLASSES[claim]
    assert CATALOG.accounts[charge.account].ja.startswith({"国保": "国民健康保険"}.get(account, account))
    assert charge.limitation_years == int(years)
    assert charge.late_charge.value == LATE_CHARGES[late_charge]


def test_the_catalog_has_no_other_charges() -> None:
    parts = {*PARTS_OF_THE_RESIDENT_TAX, *PARTS_OF_HEALTH_INSURANCE}
    assert set(CATALOG.charges) == {row[1] for row in ROWS} | parts
    assert CATALOG.items == {}


def test_every_standard_system_is_in_the_catalog() -> None:
    by_kind: dict[str, list[str]] = {}
    for system in CATALOG.systems.values():
        by_kind.setdefault(system.kind.value, []).append(system.ja)
    assert sorted(by_kind["standard"]) == sorted(STANDARD.split())
    assert sorted(by_kind["common"]) == sorted(COMMON.split())
    assert by_kind["enterprise"] == ["水道", "下水道"]
    assert by_kind["other"] == ["道路", "財産", "住宅"]


@pytest.mark.parametrize("system", CATALOG.systems)
def test_a_system_has_charges_or_a_reason_why_not(system: str) -> None:
    assert bool(CATALOG.charges_of(system)) == CATALOG.systems[system].collects
    without_charges = {s.ja for s in CATALOG.systems.values() if not s.collects}
    assert without_charges == {"選挙人名簿管理", "国民年金", *COMMON.split()}


@pytest.mark.parametrize("charge", CATALOG.charges.values(), ids=lambda charge: charge.id)
def test_a_charge_fits_the_rules(charge: Charge) -> None:
    assert charge.allocation in rules.ALLOCATION_ORDERS
    assert charge.allows_seizure == (charge.claim.value == "compulsory")
    assert charge.limitation_must_be_invoked == (charge.claim.value == "private")
    # 延滞金 by ordinance is for public claims only (自治法231の3②).
    assert (charge.late_charge.value == "civil") == (charge.claim.value == "private")
    assert CATALOG.class_of(charge).accrual == (charge.system in ("water", "sewerage"))
    assert CATALOG.class_of(charge).revenue == (charge.account != "off-budget")
    # A part is limited and enforced like its slip, unless it is a debt of another system.
    for part in map(CATALOG.charge, charge.parts):
        if part.system == charge.system:
            assert (part.claim, part.limitation_years, part.late_charge) == (
                charge.claim,
                charge.limitation_years,
                charge.late_charge,
            )


def test_the_resident_tax_is_divided_among_city_prefecture_and_state() -> None:
    parts = {name: CATALOG.charge(name) for name in CATALOG.charge("individual-resident-tax").parts}
    assert {name: part.account for name, part in parts.items()} == PARTS_OF_THE_RESIDENT_TAX
    assert "平成31年法律第3号" in parts["forest-environment-tax"].basis
    assert CATALOG.accounts["off-budget"].ja == "歳入歳出外現金"


@pytest.mark.parametrize("kind", ["tax", "premium"])
def test_health_insurance_has_four_shares(kind: str) -> None:
    charge = CATALOG.charge(f"national-health-insurance-{kind}")
    parts = [CATALOG.charge(name) for name in charge.parts]
    assert [part.id for part in parts] == [f"nhi-{kind}-{share}" for share in SHARES]
    assert [part.ja.split()[1] for part in parts] == ["医療分", "支援金分", "介護分", "子ども・子育て支援分"]
    assert [part.account for part in parts] == ["national-health-insurance"] * 4
    assert ["April 2026" in part.note for part in parts] == [False, False, False, True]


def test_only_the_recovery_of_the_child_rearing_allowance_has_the_fixed_rate() -> None:
    fixed = [charge.id for charge in CATALOG.charges.values() if charge.late_charge.value == "fixed-14.6"]
    assert fixed == ["child-rearing-allowance-recovery"]


def test_only_local_taxes_have_a_known_rule_of_late_charges() -> None:
    known = {charge.id for charge in CATALOG.charges.values() if charge.applicable_rule is not None}
    assert known == {charge.id for charge in CATALOG.charges.values() if charge.late_charge.value == "tax"}
    nothing = {charge.id for charge in CATALOG.charges.values() if not charge.bears_late_charge}
    assert nothing == {row[1] for row in ROWS if row[5] == "–"}


def test_charges_have_the_order_of_allocation_of_their_law() -> None:
    orders = {name: CATALOG.charge(name).allocation for name in ("road-occupancy-fee", "sewerage-contribution")}
    assert orders == {"road-occupancy-fee": "road", "sewerage-contribution": "contribution"}
    assert all(c.allocation == "civil" for c in CATALOG.charges.values() if c.claim.value == "private")
    assert all(c.allocation == "tax" for c in CATALOG.charges.values() if c.late_charge.value == "tax")


# --- the file of an authority -----------------------------------------------------------------------------------------

AUTHORITY = load(FOLDER / "authority-99999.toml")


def test_items_have_charges() -> None:
    assert AUTHORITY.charge_of_item("901").id == AUTHORITY.charge_of_item("951").id == "fixed-asset-tax"
    assert AUTHORITY.items["927"].label == "水道料金・下水道使用料"
    assert set(AUTHORITY.charges) == set(CATALOG.charges)
    with pytest.raises(CatalogError, match="item_code"):
        AUTHORITY.charge_of_item("127")


def bills() -> list[Bill]:
    with (FOLDER / "bills.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    whole = ("amount", "levy_year", "tax_year")
    return [
        Bill(
            **{name: int(value) if name in whole else value for name, value in row.items() if name != "parts"},
            parts={n: int(y) for n, y in (part.split("=") for part in row["parts"].split(";") if part)},
        )
        for row in rows
    ]


@pytest.mark.parametrize("bill", bills(), ids=lambda bill: bill.charge)
def test_a_bill_of_each_charge_has_an_elqr(bill: Bill) -> None:
    charge = AUTHORITY.charge_of_item(bill.item_code)
    assert (bill.system, bill.charge) == (charge.system, charge.id)
    assert set(dict(bill.parts)) == set(charge.parts)
    assert sum(yen for _, yen in bill.parts) in (0, bill.amount)
    assert rules.shift_due_date(bill.due_on) == bill.due_on
    code = elqr.ElQr.from_bill(bill)
    assert elqr.parse(code.payload) == code


def test_the_bills_include_every_charge_that_has_a_slip_of_its_own() -> None:
    only_parts = {*PARTS_OF_THE_RESIDENT_TAX, *PARTS_OF_HEALTH_INSURANCE, "city-planning-tax"}
    assert sorted(bill.charge or "" for bill in bills()) == sorted(set(CATALOG.charges) - only_parts)


def test_an_authority_adds_a_charge(tmp_path: Path) -> None:
    file = tmp_path / "authority.toml"
    file.write_text(
        """
        [items]
        "960" = { charge = "spa-tax", label = "入湯税" }
        [charges.spa-tax]
        system = "property"
        ja = "入湯税"
        en = "Spa tax"
        claim = "compulsory"
        account = "general"
        basis = "地方税法701"
        limitation_years = 5
        late_charge = "tax"
        allocation = "tax"
        """,
        encoding="utf-8",
    )
    assert load(file).charge_of_item("960").ja == "入湯税"
    assert "spa-tax" not in CATALOG.charges


def loaded(tmp_path: Path, text: str) -> Catalog:
    file = tmp_path / "authority.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def test_an_authority_adds_accounts_and_their_classes(tmp_path: Path) -> None:
    catalog = loaded(
        tmp_path,
        """
        [account_classes]
        union = { ja = "受託徴収", en = "Collected for a union", revenue = false }
        [accounts]
        school-lunch = { ja = "学校給食特別会計", en = "School lunch account", account_class = "special" }
        hospital = { ja = "病院事業会計", en = "Hospital enterprise account", account_class = "enterprise" }
        refuse-union = { ja = "環境衛生組合", en = "Refuse union", account_class = "union" }
        [charges.school-lunch-fee]
        account = "school-lunch"
        [charges.property-rent]
        account = "hospital"
        [charges.property-use-fee]
        account = "refuse-union"
        """,
    )
    lunch, rent, use = map(catalog.charge, ("school-lunch-fee", "property-rent", "property-use-fee"))
    assert catalog.accounts[lunch.account].ja == "学校給食特別会計"
    assert lunch == CATALOG.charge("school-lunch-fee").model_copy(update={"account": "school-lunch"})
    classes = [catalog.class_of(charge) for charge in (lunch, rent, use)]
    assert [(each.accrual, each.revenue) for each in classes] == [(False, True), (True, True), (False, False)]
    assert CATALOG.charge("school-lunch-fee").account == "general"


def toml_of(rule: LateChargeRule) -> str:
    """The table of a rule: every parameter."""
    lines = []
    for name, value in rule:
        if value is not None:
            lines.append(f"{name} = " + (f'"{value}"' if isinstance(value, str) else str(value)))
    return "\n".join(lines)


RULES = {
    "defaults": LateChargeRule(),
    "from the demand": LateChargeRule(accrues_from="demand", reduced_until="demand"),
    "鳴門市": LateChargeRule(
        base_unit=100, threshold=100, minimum=10, rounding=10, reduced_rate=Decimal("7.3"), full_rate=Decimal("14.6")
    ),
    "three months": LateChargeRule(reduced_months=3, segment="part"),
    "民法404": rules.STATUTORY_INTEREST,
    "one rate": LateChargeRule(reduced_until="none", full_rate=Decimal("10.95")),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_an_authority_sets_every_parameter_of_a_late_charge(tmp_path: Path, rule: LateChargeRule) -> None:
    text = "[charges.long-term-care-premium.late_charge_rule]\n" + toml_of(rule)
    charge = loaded(tmp_path, text).charge("long-term-care-premium")
    assert charge.late_charge_rule == charge.applicable_rule == rule
    assert charge == CATALOG.charge("long-term-care-premium").model_copy(update={"late_charge_rule": rule})


def test_the_values_above_differ_from_the_default_for_every_parameter() -> None:
    for name, field in LateChargeRule.model_fields.items():
        assert {getattr(rule, name) for rule in RULES.values()} - {field.default}, name


def test_an_empty_table_is_the_rule_of_local_tax_and_whole_numbers_are_rates(tmp_path: Path) -> None:
    text = """
    [charges.childcare-fee.late_charge_rule]
    [charges.sewerage-contribution.late_charge_rule]
    reduced_until = "none"
    full_rate = 7
    [charges.child-rearing-allowance-return.late_charge_rule]
    """
    catalog = loaded(tmp_path, text)
    assert catalog.charge("childcare-fee").applicable_rule == rules.LOCAL_TAX
    assert catalog.charge("sewerage-contribution").applicable_rule == LateChargeRule(
        reduced_until="none", full_rate=Decimal(7)
    )
    assert catalog.charge("child-rearing-allowance-return").bears_late_charge


def rule_of(charge: str, text: str) -> str:
    return f"[charges.{charge}.late_charge_rule]\n{text}"


@pytest.mark.parametrize(
    ("text", "field", "code"),
    [
        (rule_of("childcare-fee", "rounding = 0"), "charges.childcare-fee.late_charge_rule.rounding", "AMOUNT_RANGE"),
        (rule_of("childcare-fee", "unit = 1"), "charges.childcare-fee.late_charge_rule.unit", "FIELD_UNKNOWN"),
        (
            rule_of("childcare-fee", "full_rate = 14.6"),
            "charges.childcare-fee.late_charge_rule.reduced_rate",
            "RATE_PAIR",
        ),
        (
            rule_of("road-occupancy-fee", 'reduced_until = "none"\nfull_rate = 14.6'),
            "charges.road-occupancy-fee.late_charge_rule.full_rate",
            "RATE_INVALID",
        ),
        (
            rule_of("child-rearing-allowance-recovery", 'reduced_until = "none"\nfull_rate = 14.5'),
            "charges.child-rearing-allowance-recovery.late_charge_rule.full_rate",
            "RATE_INVALID",
        ),
        (
            rule_of("child-rearing-allowance-recovery", ""),
            "charges.child-rearing-allowance-recovery.late_charge_rule.full_rate",
            "RATE_INVALID",
        ),
        ("[charges.childcare-fee]\nlate_charge_rule = 1", "charges.childcare-fee.late_charge_rule", "FIELD_TYPE"),
        ("[charges.childcare-fee]\nclaim = 'private'", "charges.childcare-fee.claim", "CATALOG_DUPLICATE"),
        ("[charges.childcare-fee]\naccount = 'x'", "charges.childcare-fee.account", "CODE_UNKNOWN"),
        ("[accounts.general]\nja = '一般'", "accounts.general", "CATALOG_DUPLICATE"),
        ("[account_classes.special]", "account_classes.special", "CATALOG_DUPLICATE"),
        ("[accounts.x]\nja = '一'\nen = 'x'", "accounts.x.account_class", "FIELD_MISSING"),
        (
            "[accounts.x]\nja = '一'\nen = 'x'\naccount_class = 'y'",
            "accounts.x.account_class",
            "CODE_UNKNOWN",
        ),
        ('[items]\n"96" = { charge = "water-charge", label = "水道" }', "items.96.code", "WIDTH"),
        ('[items]\n"960" = { charge = "spa-tax", label = "入湯税" }', "items.960.charge", "CODE_UNKNOWN"),
        ('[items]\n"960" = { charge = "water-charge" }', "items.960.label", "FIELD_MISSING"),
        ('[items]\n"960" = { charge = "water-charge", label = "" }', "items.960.label", "WIDTH"),
        ('[items]\n"960" = { charge = "water-charge", label = "水", rate = 1 }', "items.960.rate", "FIELD_UNKNOWN"),
        ("items = 1", "items", "TOML_INVALID"),
        ("[systems.x]\nja = 'x'", "systems", "FIELD_UNKNOWN"),
        ("[items", "", "TOML_INVALID"),
        ('[items]\n"960" = { charge = "water-charge", label = "水" }\n"960" = 1', "", "TOML_INVALID"),
    ],
)
def test_an_invalid_file_raises(tmp_path: Path, text: str, field: str, code: str) -> None:
    file = tmp_path / "authority.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError) as error:
        load(file)
    first = error.value.issues[0]
    assert (first.field, first.code, first.location.file) == (field, code, "authority.toml")


def test_a_shipped_charge_cannot_be_replaced(tmp_path: Path) -> None:
    shipped = CATALOG.charge("water-charge")
    row = shipped.model_dump(mode="json", exclude={"id", "parts"}, exclude_none=True)
    file = tmp_path / "authority.toml"
    lines = [
        f"{name} = {value if isinstance(value, int) else chr(34) + value + chr(34)}" for name, value in row.items()
    ]
    file.write_text("[charges.water-charge]\n" + "\n".join(lines), encoding="utf-8")
    with pytest.raises(CatalogError, match="CATALOG_DUPLICATE"):
        load(file)


@pytest.mark.parametrize("lookup", [CATALOG.charge, CATALOG.charges_of])
def test_an_unknown_name_raises(lookup) -> None:
    with pytest.raises(CatalogError, match="parking"):
        lookup("parking")
