#!/bin/sh
# One night: post the files of the inbox, verify the ledger, write the reports and the lists for the morning.
#
#     $KOKIN_NIGHT/inbox/bills/           bills: CSV or Parquet, the whole register or only new ones
#     $KOKIN_NIGHT/inbox/LAYOUT/          receipt files; the name of the folder is their layout, such as zengin-91
#     $KOKIN_NIGHT/inbox/deposits/        files of deposits from a bank (zengin-01), for control T3
#     $KOKIN_NIGHT/inbox/agent-reports/   reports of collection agents: CSV, for control T2
#     $KOKIN_NIGHT/done/DAY/              files that are in the ledger
#     $KOKIN_NIGHT/rejected/DAY/          rejected files; nothing of them was posted (`kokin ledger list issues`: why)
#     $KOKIN_NIGHT/reports/DAY/           the reports; work.xlsx, the work list; refunds.csv, the refunds to decide
#     $KOKIN_NIGHT/intake.toml            which files should come (`kokin intake check`); without it none is missed
#     $KOKIN_NIGHT/log/DAY.jsonl          the log: an event per line
#     $KOKIN_NIGHT/hashes.txt             the hash of the ledger after each night; keep a copy on another machine
#
# Write a file under a name that ends in .part, and rename it when it is complete. Create the ledger once, by hand, with
# `kokin ledger create`: the script would create an empty one on a night on which its disk is not mounted.
#
# KOKIN_DEPOSITS is the layout of the deposits, by default zengin-01. KOKIN_AT=2026-11-04T21:30 runs the night of a past
# time, such as one on which the machine was down: nights are run in their order.
#
# Each night verifies what was written since the hash of the night before; once a week the whole ledger is verified.
#
# Exit code: the highest of the night. 0 clean; 1 files of this night have exceptions, or one came late; 3 a file was rejected; 4 a file
# could not be read or posted and stays in the inbox; 5 the books do not balance, or the ledger was changed; 6 an expected
# file is missing. Such a file does not stop the files after it. Any other code: the night was aborted. It is safe to run the script again.
set -u
: "${KOKIN_NIGHT:?the folder of the night}" "${KOKIN_LEDGER:=$KOKIN_NIGHT/city.db}"
export KOKIN_LEDGER
day=${KOKIN_AT:-$(TZ=Asia/Tokyo date +%F)}
day=${day%T*}
at=${KOKIN_AT:+--at $KOKIN_AT}
as_of=${KOKIN_AT:+--as-of $day}
intake=$KOKIN_NIGHT/intake.toml
worst=0

# A file name can contain any character: control characters do not reach the terminal.
log() { printf '%s %s\n' "$(TZ=Asia/Tokyo date +%T)" "$(printf '%s' "$*" | LC_ALL=C tr '\000-\037\177' '?')"; }

note_code() { [ "$1" -le "$worst" ] || worst=$1; }

abort() {
    note_code "$1"
    log "aborted ($worst): $2"
    exit "$worst"
}

# move FILE FOLDER: no file is overwritten; a second file of the same name gets a number.
move() {
    target=$2/$(basename "$1") number=1
    while [ -e "$target" ]; do
        number=$((number + 1)) target=$2/$(basename "$1").$number
    done
    mkdir -p "$2" && mv "$1" "$target" || note_code 4
}

# post FILE FOLDER COMMAND...: write one file into the ledger, then move it out of the inbox.
post() {
    file=$1 folder=$2
    shift 2
    "$@" --format json "$file" </dev/null >"$KOKIN_NIGHT/.result"
    code=$?
    # The entry of the file and its hash; the command prints them after the ledger has committed them.
    entry=$(sed -n 's/^    "entry": \([0-9]*\),*$/\1/p' "$KOKIN_NIGHT/.result")
    hash=$(sed -n 's/^    "hash": "\([0-9a-f]*\)",*$/\1/p' "$KOKIN_NIGHT/.result")
    log "$folder/$(basename "$file"): exit code $code${hash:+, entry $entry, hash $hash}"
    case $code in
    0 | 1 | 5) # 1: rejected records, or receipts that are exceptions
        if [ -n "$hash" ]; then
            move "$file" "$KOKIN_NIGHT/done/$day/$folder"
        else
            log "it is not in the ledger and stays in the inbox"
            code=4
        fi
        ;;
    3) move "$file" "$KOKIN_NIGHT/rejected/$day/$folder" ;; # ask the sender for the file again
    4) log "it stays in the inbox" ;;                       # unreadable, or a database error: continue with the next
    *) abort $code "$file stays in the inbox" ;;            # 2: an error of this script; above 100: killed
    esac
    note_code $code
}

# post_all FOLDER COMMAND...: every file of a folder of the inbox.
post_all() {
    from=$1
    shift
    for path in "$KOKIN_NIGHT/inbox/$from"/*; do
        case $path in
        *.part) continue ;; # not complete yet
        esac
        [ ! -f "$path" ] || post "$path" "$from" "$@"
    done
}

# One night at a time.
exec 9>"$KOKIN_NIGHT/.lock"
flock -n 9 || abort 4 "another night is running"

# Every command appends its events to the log of the day.
mkdir -p "$KOKIN_NIGHT/log" || abort 4 "the folder of the log cannot be created"
export KOKIN_LOG=json KOKIN_LOG_FILE="$KOKIN_NIGHT/log/$day.jsonl"

# Without a ledger no file can be posted. 5: the ledger is verified below.
kokin ledger status
code=$?
case $code in
0 | 5) note_code $code ;;
1) abort 4 "the ledger does not answer" ;;
*) abort $code "the ledger does not answer" ;;
esac

# Bills first: a receipt needs its bill.
post_all bills kokin ledger add-bills $at --reference-date "$day"
for inbox in "$KOKIN_NIGHT"/inbox/*/; do
    layout=$(basename "$inbox")
    case $layout in
    bills | deposits | agent-reports) continue ;;
    esac
    post_all "$layout" kokin ledger post --layout "$layout" $at --reference-date "$day"
done
post_all deposits kokin ledger add-deposits --layout "${KOKIN_DEPOSITS:-zengin-01}" $at --reference-date "$day"
post_all agent-reports kokin ledger add-agent-reports $at

# Which files have not come? This is the last run of the day, so every deadline of the day counts as passed; in intake.toml
# it is later than the start of this script. A file that stays in the inbox is named, too.
if [ -f "$intake" ]; then
    kokin intake check "$intake" --for "$day" --now "${day}T23:59" --inbox "$KOKIN_NIGHT/inbox"
    code=$?
    case $code in
    0 | 1 | 6) note_code $code ;; # 1: late or rejected, or a finding
    3 | 4) note_code 4; log "the expected files could not be checked" ;;
    *) abort $code "the expected files could not be checked" ;;
    esac
fi

# Was a row changed? The hash of the last night must be in the ledger.
log verify
expected= option=--expected-hash
if [ -e "$KOKIN_NIGHT/hashes.txt" ]; then
    # Without a hash `verify` compares nothing, so an invalid line aborts the night.
    expected=$(tail -n 1 "$KOKIN_NIGHT/hashes.txt" | sed -nE 's/^[0-9]{4}-[0-9]{2}-[0-9]{2} ([0-9a-f]{64})$/\1/p')
    [ -n "$expected" ] || abort 4 "the last line of hashes.txt is not a day and a hash; restore it from its copy"
    # Younger than six days: the next night is the seventh at the latest.
    [ -z "$(find "$KOKIN_NIGHT" -maxdepth 1 -name .verified-in-full -mtime -6)" ] || option=--since
fi
kokin ledger verify ${expected:+$option "$expected"} >"$KOKIN_NIGHT/.verified"
code=$?
hash=$(sed -n 's/^hash //p' "$KOKIN_NIGHT/.verified")
case $code$hash in
0?*)
    printf '%s %s\n' "$day" "$hash" >>"$KOKIN_NIGHT/hashes.txt"
    [ "$option" = --since ] || touch "$KOKIN_NIGHT/.verified-in-full"
    ;;
5*) abort 5 "the ledger was changed; do not use it, and find out why" ;;
0 | 1*) abort 4 "the ledger could not be verified" ;;
*) abort $code "the ledger could not be verified" ;;
esac

log report
folder=$KOKIN_NIGHT/reports/$day
set -- --out "$folder" $as_of
[ ! -f "$intake" ] || set -- "$@" --intake "$intake" --for "$day" --now "${day}T23:59"
kokin report "$@"
code=$?
case $code in
0 | 1) ;; # 1: exceptions of all nights; those of this night are in the exit code already
5) note_code $code ;;
*) abort $code "no reports; the files are posted" ;;
esac
[ -f "$folder/summary.json" ] || abort 4 "no reports; the files are posted"

# What a person must decide: the decisions are recorded with `kokin ledger decide` and `kokin ledger refund decide`.
kokin ledger worklist --out "$folder/work.xlsx" $as_of
code=$?
[ $code -le 1 ] || abort $code "no work list; the files are posted"
kokin ledger refund list --out "$folder/refunds.csv" --day "$day" $as_of || abort 4 "no list of refunds; the files are posted"

log "finished ($worst)"
exit "$worst"
