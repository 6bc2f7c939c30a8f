#!/bin/sh
# One night: post what has come, verify the ledger, write the reports for nine o'clock.
#
#     $KOKIN_NIGHT/inbox/bills/       bills: CSV or Parquet, the whole register or what is new
#     $KOKIN_NIGHT/inbox/LAYOUT/      receipt files; the folder's name is their layout, such as zengin-91
#     $KOKIN_NIGHT/inbox/credits/     a bank's credit files (zengin-01), where the bank is to be compared
#     $KOKIN_NIGHT/done/DAY/          files that the ledger has
#     $KOKIN_NIGHT/refused/DAY/       rejected files; nothing of them was posted
#     $KOKIN_NIGHT/reports/DAY/       the reports
#     $KOKIN_NIGHT/seals.txt          the ledger's hash after each night; keep it, or a copy, on another machine
#
# Bring a file in under a name that ends in .part, and rename it when it is whole. Create the ledger once, by hand, with
# `kokin ledger init`: the script would create an empty one whenever its disk is not mounted.
#
# Exit code: the highest of the night. 0 clean; 1 there are exceptions; 3 a file was rejected; 4 a file could not be read
# or posted and stays in the inbox; 5 the books do not balance, or the ledger was changed. A bad file does not stop the
# files behind it. Anything else: the night broke off. It can be run again as it is: nothing is posted twice.
set -u
: "${KOKIN_NIGHT:?the folder of the night}" "${KOKIN_LEDGER:=sqlite:///$KOKIN_NIGHT/city.db}"
export KOKIN_LEDGER
day=$(TZ=Asia/Tokyo date +%F)
worst=0

# A file may have any name: no control character of it reaches a terminal.
log() { printf '%s %s\n' "$(TZ=Asia/Tokyo date +%T)" "$(printf '%s' "$*" | LC_ALL=C tr '\000-\037\177' '?')"; }

note_code() { [ "$1" -le "$worst" ] || worst=$1; }

break_off() {
    note_code "$1"
    log "broken off ($worst): $2"
    exit "$worst"
}

# A file is never written over: two of one name get a number.
put() {
    target=$2/$(basename "$1") number=1
    while [ -e "$target" ]; do
        number=$((number + 1)) target=$2/$(basename "$1").$number
    done
    mkdir -p "$2" && mv "$1" "$target" || note_code 4
}

# take FILE FOLDER COMMAND...: one file into the ledger, and then to where it belongs.
take() {
    file=$1 folder=$2
    shift 2
    "$@" --format json "$file" </dev/null >"$KOKIN_NIGHT/.result"
    code=$?
    # The entry that has the file and its hash, which the command prints only when the ledger has committed them.
    entry=$(sed -n 's/^    "entry": \([0-9]*\),*$/\1/p' "$KOKIN_NIGHT/.result")
    hash=$(sed -n 's/^    "hash": "\([0-9a-f]*\)",*$/\1/p' "$KOKIN_NIGHT/.result")
    log "$folder/$(basename "$file"): exit code $code${hash:+, entry $entry, hash $hash}"
    case $code in
    0 | 1 | 5) # 1: rejected records, or receipts to look at
        if [ -n "$hash" ]; then
            put "$file" "$KOKIN_NIGHT/done/$day/$folder"
        else
            log "the ledger does not have it, it stays in the inbox"
            code=4
        fi
        ;;
    3) put "$file" "$KOKIN_NIGHT/refused/$day/$folder" ;; # ask the sender for it again
    4) log "it stays in the inbox" ;;                     # unreadable, or the database failed: try the next
    *) break_off $code "$file stays in the inbox" ;;      # 2: this script is wrong; above 100: killed
    esac
    note_code $code
}

# take_all FOLDER COMMAND...: every file of a folder of the inbox.
take_all() {
    from=$1
    shift
    for path in "$KOKIN_NIGHT/inbox/$from"/*; do
        case $path in
        *.part) continue ;; # still on its way
        esac
        [ ! -f "$path" ] || take "$path" "$from" "$@"
    done
}

# One night at a time.
exec 9>"$KOKIN_NIGHT/.lock"
flock -n 9 || break_off 4 "another night is at work"

# Without a ledger that answers, no file can be posted. 5: it is verified below.
kokin ledger status "$KOKIN_LEDGER" --entries 0
code=$?
case $code in
0 | 5) note_code $code ;;
1) break_off 4 "the ledger does not answer" ;;
*) break_off $code "the ledger does not answer" ;;
esac

# Bills first, so that a receipt finds its bill.
take_all bills kokin ledger bills "$KOKIN_LEDGER"
for inbox in "$KOKIN_NIGHT"/inbox/*/; do
    layout=$(basename "$inbox")
    case $layout in
    bills | credits) continue ;;
    esac
    take_all "$layout" kokin ledger post --layout "$layout" "$KOKIN_LEDGER"
done
take_all credits kokin ledger credits "$KOKIN_LEDGER"

# Was any row changed? The last night's hash must still be in the ledger.
log verify
sealed=
if [ -e "$KOKIN_NIGHT/seals.txt" ]; then
    # Without a hash `verify` would compare nothing: a damaged file is not passed over.
    sealed=$(tail -n 1 "$KOKIN_NIGHT/seals.txt" | sed -nE 's/^[0-9]{4}-[0-9]{2}-[0-9]{2} ([0-9a-f]{64})$/\1/p')
    [ -n "$sealed" ] || break_off 4 "the last line of seals.txt is not a day and a hash; restore it from its copy"
fi
kokin ledger verify "$KOKIN_LEDGER" ${sealed:+--sealed "$sealed"} >"$KOKIN_NIGHT/.verified"
code=$?
hash=$(sed -n 's/^hash //p' "$KOKIN_NIGHT/.verified")
case $code$hash in
0?*) printf '%s %s\n' "$day" "$hash" >>"$KOKIN_NIGHT/seals.txt" ;;
5*) break_off 5 "the ledger was changed; do not use it, and find out why" ;;
0 | 1*) break_off 4 "the ledger could not be verified" ;;
*) break_off $code "the ledger could not be verified" ;;
esac

log report
kokin report "$KOKIN_LEDGER" --out "$KOKIN_NIGHT/reports/$day"
code=$?
case $code in
0 | 1 | 5) note_code $code ;;
*) break_off $code "no reports; the files are posted" ;;
esac
[ -f "$KOKIN_NIGHT/reports/$day/summary.json" ] || break_off 4 "no reports; the files are posted"

log "finished ($worst)"
exit "$worst"
