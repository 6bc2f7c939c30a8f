# One night on Windows Server: what night.sh does, for Windows PowerShell 5.1. Not run on Windows by the build of Kokin.
# The folders, the files and the exit codes are those of night.sh; read its first lines. Save this file as UTF-8 with a
# byte order mark if you write Japanese into it: PowerShell 5.1 reads a file without one in the code page of the system.
param(
    [Parameter(Mandatory = $true)][string]$Night,
    [string]$Ledger = (Join-Path $Night 'city.db'),
    [string]$Deposits = 'zengin-01',
    [string]$Kokin = 'kokin.exe'
)
$ErrorActionPreference = 'Stop'
# Kokin writes UTF-8 into pipes, and PowerShell reads it so, whatever the code page of the console (932).
$env:PYTHONUTF8 = '1'
[Console]::OutputEncoding = [Text.Encoding]::UTF8
# The day in Japan, whatever the time zone of the server.
$day = [DateTime]::UtcNow.AddHours(9).ToString('yyyy-MM-dd')
$reports = Join-Path $Night "reports\$day"
$hashes = Join-Path $Night 'hashes.txt'
$intake = Join-Path $Night 'intake.toml'
$script:worst = 0

New-Item -ItemType Directory -Force (Join-Path $Night 'log') | Out-Null
$env:KOKIN_LEDGER = $Ledger
$env:KOKIN_LOG = 'json'
$env:KOKIN_LOG_FILE = Join-Path $Night "log\$day.jsonl"

function Add-Code([int]$Code) { if ($Code -gt $script:worst) { $script:worst = $Code } }

function Stop-Night([int]$Code, [string]$Reason) {
    Add-Code $Code
    Write-Output "aborted ($script:worst): $Reason"
    exit $script:worst
}

# Move a file; no file is overwritten: a second file of the same name gets a number.
function Move-New([string]$Path, [string]$Folder) {
    New-Item -ItemType Directory -Force $Folder | Out-Null
    $target = Join-Path $Folder (Split-Path $Path -Leaf)
    for ($number = 2; Test-Path -LiteralPath $target; $number++) {
        $target = Join-Path $Folder ('{0}.{1}' -f (Split-Path $Path -Leaf), $number)
    }
    try { Move-Item -LiteralPath $Path -Destination $target } catch { Add-Code 4 }
}

# Write each file of a folder of the inbox into the ledger, then move it out of the inbox.
function Add-Files([string]$Folder, [string[]]$Arguments) {
    $from = Join-Path $Night "inbox\$Folder"
    if (-not (Test-Path -LiteralPath $from)) { return }
    foreach ($file in Get-ChildItem -LiteralPath $from -File | Where-Object Extension -ne '.part' | Sort-Object Name) {
        $result = & $Kokin @Arguments --format json $file.FullName
        $code = $LASTEXITCODE
        $isPosted = ($result -join "`n") -match '"hash": "[0-9a-f]{64}"'
        Write-Output "$Folder\$($file.Name): exit code $code"
        if ($code -in 0, 1, 5 -and $isPosted) { Move-New $file.FullName (Join-Path $Night "done\$day\$Folder") }
        elseif ($code -in 0, 1, 4, 5) { if ($code -lt 4) { $code = 4 } }     # it stays in the inbox
        elseif ($code -eq 3) { Move-New $file.FullName (Join-Path $Night "rejected\$day\$Folder") }
        else { Stop-Night $code "$($file.Name) stays in the inbox" }
        Add-Code $code
    }
}

# One night at a time: the file is open until the script ends.
try { $lock = [IO.File]::Open((Join-Path $Night '.lock'), 'OpenOrCreate', 'ReadWrite', 'None') }
catch { Stop-Night 4 'another night is running' }

& $Kokin ledger status
if ($LASTEXITCODE -notin 0, 5) { Stop-Night ([Math]::Max($LASTEXITCODE, 4)) 'the ledger does not answer' }
Add-Code $LASTEXITCODE

Add-Files 'bills' @('ledger', 'add-bills')
foreach ($inbox in Get-ChildItem -LiteralPath (Join-Path $Night 'inbox') -Directory | Sort-Object Name) {
    if ($inbox.Name -notin 'bills', 'deposits', 'agent-reports') {
        Add-Files $inbox.Name @('ledger', 'post', '--layout', $inbox.Name, '--reference-date', $day)
    }
}
Add-Files 'deposits' @('ledger', 'add-deposits', '--layout', $Deposits, '--reference-date', $day)
Add-Files 'agent-reports' @('ledger', 'add-agent-reports')

$reportOptions = @()
if (Test-Path -LiteralPath $intake) {
    & $Kokin intake check $intake --for $day --now "${day}T23:59" --inbox (Join-Path $Night 'inbox')
    $code = $LASTEXITCODE
    if ($code -in 0, 1, 6) { Add-Code $code } elseif ($code -in 3, 4) { Add-Code 4 } else { Stop-Night $code 'intake' }
    $reportOptions = @('--intake', $intake, '--for', $day, '--now', "${day}T23:59")
}

# The whole ledger is verified; the hash of the last night must be in it.
$verifyOptions = @()
if (Test-Path -LiteralPath $hashes) {
    $last = Get-Content -LiteralPath $hashes | Select-Object -Last 1
    if ($last -notmatch '^\d{4}-\d\d-\d\d ([0-9a-f]{64})$') { Stop-Night 4 'the last line of hashes.txt is not a day and a hash' }
    $verifyOptions = @('--expected-hash', $Matches[1])
}
$verified = & $Kokin ledger verify @verifyOptions
$code = $LASTEXITCODE
if ($code -eq 5) { Stop-Night 5 'the ledger was changed; do not use it, and find out why' }
if ($code -ne 0 -or ($verified -join "`n") -notmatch '(?m)^hash ([0-9a-f]{64})') { Stop-Night ([Math]::Max($code, 4)) 'the ledger could not be verified' }
Add-Content -LiteralPath $hashes -Encoding ASCII -Value "$day $($Matches[1])"

& $Kokin report --out $reports @reportOptions
if ($LASTEXITCODE -notin 0, 1, 5, 6) { Stop-Night $LASTEXITCODE 'no reports; the files are posted' }
if ($LASTEXITCODE -ge 5) { Add-Code $LASTEXITCODE }
& $Kokin ledger worklist --out (Join-Path $reports 'work.xlsx')
if ($LASTEXITCODE -gt 1) { Stop-Night $LASTEXITCODE 'no work list; the files are posted' }
& $Kokin ledger refund list --day $day --out (Join-Path $reports 'refunds.csv')
if ($LASTEXITCODE -ne 0) { Stop-Night $LASTEXITCODE 'no list of refunds; the files are posted' }

Write-Output "finished ($script:worst)"
exit $script:worst
