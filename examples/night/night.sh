#!/bin/sh
# One night: post what has come, verify the ledger, write the reports for nine o'clock.
#
#     $KOKIN_NIGHT/inbox/bills/       bills: CSV or Parquet, the whole register or what is new
#     $KOKIN_NIGHT/inbox/LAYOUT/      receipt files; the folder's name is their layout, such as zengin-91
#     $KOKIN_NIGHT/inbox/credits/     a bank's credit files (zengin-01), where the bank is to be compared
#     $KOKIN_NIGHT/done/DAY/          what stands in the ledger
#     $KOKIN_NIGHT/refused/DAY/       what was refused; nothing of it was posted
#     $KOKIN_NIGHT/reports/DAY/       the reports
#     $KOKIN_NIGHT/seals.txt          the ledger's hash after each night; keep it, or a copy, on another machine
#
# Bring a file in under a name that ends in .part, and rename it when it is whole. The ledger is made once, by hand, with
# `kokin ledger init`: made here it would be made anew whenever its disk is not mounted.
#
# Ends with the gravest code of the night: 0 clean; 1 there is something to look at; 3 a file was refused, the others are
# posted; anything else: the night broke off, and can be run again as it is. Whatever was posted is not posted twice.
set -u
: "${KOKIN_NIGHT:?the folder of the night}" "${KOKIN_LEDGER:=sqlite:///$KOKIN_NIGHT/city.db}"
export KOKIN_LEDGER
day=$(TZ=Asia/Tokyo date +%F)
worst=0

log() { printf '%s %s\n' "$(TZ=Asia/Tokyo date +%T)" "$*"; }

note_code() { [ "$1" -le "$worst" ] || worst=$1; }

break_off() {
    log "broken off ($1): $2"
    exit "$1"
}

# A file is never written over: two of one name get a number.
put() {
    mkdir -p "$2"
    target=$2/$(basename "$1") number=1
    while [ -e "$target" ]; do
        number=$((number + 1)) target=$2/$(basename "$1").$number
    done
    mv "$1" "$target"
}

# take FILE FOLDER COMMAND...: one file into the ledger, and then to where it belongs.
take() {
    file=$1 folder=$2
    shift 2
    log "$folder/$(basename "$file")"
    "$@" "$file"
    code=$?
    case $code in
    0 | 1) put "$file" "$KOKIN_NIGHT/done/$day/$folder" ;; # 1: rejected records, or receipts to look at
    3) put "$file" "$KOKIN_NIGHT/refused/$day/$folder" ;;  # ask the sender for it again
    *) break_off $code "$file stays in the inbox" ;;       # 2: this script is wrong; 4: disk or database
    esac
    note_code $code
}

each() {
    for file in "$KOKIN_NIGHT/inbox/$1"/*; do
        case $file in
        *.part) continue ;; # still on its way
        esac
        [ ! -f "$file" ] || printf '%s\n' "$file"
    done
}

# One night at a time.
exec 9>"$KOKIN_NIGHT/.lock"
flock -n 9 || break_off 4 "another night is at work"

# Bills first, so that a receipt finds its bill.
each bills >"$KOKIN_NIGHT/.files"
while IFS= read -r file; do
    take "$file" bills kokin ledger bills "$KOKIN_LEDGER" </dev/null
done <"$KOKIN_NIGHT/.files"

for folder in "$KOKIN_NIGHT"/inbox/*/; do
    layout=$(basename "$folder")
    case $layout in
    bills | credits) continue ;;
    esac
    each "$layout" >"$KOKIN_NIGHT/.files"
    while IFS= read -r file; do
        take "$file" "$layout" kokin ledger post --layout "$layout" "$KOKIN_LEDGER" </dev/null
    done <"$KOKIN_NIGHT/.files"
done

each credits >"$KOKIN_NIGHT/.files"
while IFS= read -r file; do
    take "$file" credits kokin ledger credits "$KOKIN_LEDGER" </dev/null
done <"$KOKIN_NIGHT/.files"

# Is everything that was ever written still there? The last night's hash says so.
log verify
sealed=$(tail -n 1 "$KOKIN_NIGHT/seals.txt" 2>/dev/null | cut -d ' ' -f 2)
kokin ledger verify "$KOKIN_LEDGER" ${sealed:+--sealed "$sealed"} >"$KOKIN_NIGHT/.verified" ||
    break_off 4 "the ledger is not what was written; do not use it, and find out why"
printf '%s %s\n' "$day" "$(sed -n 's/^hash //p' "$KOKIN_NIGHT/.verified")" >>"$KOKIN_NIGHT/seals.txt"

log report
kokin report "$KOKIN_LEDGER" --out "$KOKIN_NIGHT/reports/$day"
code=$?
[ $code -le 1 ] || break_off $code "no reports; the files are posted"
note_code $code

log "done ($worst)"
exit "$worst"
