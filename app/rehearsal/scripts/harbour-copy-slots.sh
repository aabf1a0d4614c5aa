#!/bin/bash
# Copies the slot tables of BLUE to GREEN, day by day, and counts both sides afterwards, as they are kept.
# It may be run again: a day that is there already is written anew.
set -euo pipefail
. "$(dirname "$0")/range-slotbook.sh"

echo "Copying the slot book on $RANGE_SLOTBOOK, BLUE to GREEN"
call GET /blue
days=$ANSWER
while read -r day count _; do
  call GET "/blue/$day"
  call PUT "/green/$day" "$ANSWER"$'\n'
  echo "$day: $count slots copied"
done <<<"$days"

call GET /green
copied=$ANSWER
total=0
while read -r day count digest; do
  found=$(grep "^$day " <<<"$copied" || true)
  if [[ $found != "$day $count $digest" ]]; then
    echo "A slot is missing or another: $day is ${found:-not there} on GREEN, $count $digest on BLUE"
    exit 1
  fi
  total=$((total + count))
done <<<"$days"
echo "Both tables count the same slots: $total"
