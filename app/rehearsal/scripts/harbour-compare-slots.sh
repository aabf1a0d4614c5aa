#!/bin/bash
# Compares the slot tables of BLUE and GREEN day by day, by count and digest. Changes nothing.
set -euo pipefail
. "$(dirname "$0")/range-slotbook.sh"

call GET /blue
blue=$ANSWER
call GET /green
green=$ANSWER
differ=0
while read -r day count digest; do
  if grep -qx "$day $count $digest" <<<"$green"; then
    echo "$day: $count slots, the same"
  else
    echo "$day differs"
    differ=$((differ + 1))
  fi
done <<<"$blue"
echo "$(wc -l <<<"$blue") days compared, $differ differ"
((differ == 0))
