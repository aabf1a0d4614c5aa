#!/bin/bash
# Verifies what phase 2 set up, by reading what the range's stand-in for GitHub keeps. Changes nothing.
set -euo pipefail
. "$(dirname "$0")/range-github.sh"

failed=0
expect() {
  count "$2"
  if [[ $COUNT == "$3" ]]; then
    echo "✅ $1: $COUNT"
  else
    echo "❌ $1: $COUNT, expected $3"
    failed=1
  fi
}

echo "Verifying the GitHub organisation $ORG on $RANGE_GITHUB"
expect "Teams" teams 6
expect "Members" members 48
expect "Repositories" repositories 5
expect "Repositories whose main branch is protected" protected 5
expect "Repositories with workflows" workflows 5
expect "Secrets" secrets 8
if ((failed)); then
  echo "❌ The verification failed"
  exit 1
fi
echo "✅ The organisation is as phase 2 wants it"
