#!/bin/bash
# Phase 2 of ALAWAEL's day, against the range's stand-in for GitHub: organisation, teams, repositories, secrets,
# workflows. It may be run again: what is there already stays. Each ✅ is said after reading back what is kept.
set -euo pipefail
. "$(dirname "$0")/range-github.sh"
trap 'echo "❌ Script execution error in line $LINENO" >&2' ERR

TEAMS=(platform:8 backend:10 frontend:10 data:7 security:5 operations:8)
REPOSITORIES=(alawael-api alawael-web alawael-admin alawael-infrastructure alawael-docs)
SECRETS=(AWS_ROLE_ARN DATABASE_URL JWT_SECRET SLACK_WEBHOOK SENTRY_DSN NPM_TOKEN SMTP_PASSWORD BACKUP_KEY)
WORKFLOWS="test build deploy"

echo "Configuring the GitHub organisation $ORG on $RANGE_GITHUB"
call PUT "/orgs/$ORG"
count teams
echo "✅ Organization $ORG created"

for entry in "${TEAMS[@]}"; do
  team=${entry%:*} size=${entry#*:}
  call PUT "/orgs/$ORG/teams/$team"
  for ((number = 1; number <= size; number++)); do
    call PUT "/orgs/$ORG/teams/$team/members/$team-$number"
    printf '\rteam %s: %d of %d members' "$team" "$number" "$size"
  done
  printf '\n'
done
count teams; teams=$COUNT
count members
echo "✅ $teams teams configured ($COUNT members)"

for repository in "${REPOSITORIES[@]}"; do
  call PUT "/orgs/$ORG/repos/$repository"
  call PUT "/orgs/$ORG/repos/$repository/protected"
  echo "repository $repository, main is protected"
done
count repositories
echo "✅ $COUNT repositories created"

for name in "${SECRETS[@]}"; do
  value=$(head -c 24 /dev/urandom | base64)
  call PUT "/orgs/$ORG/secrets/$name" "$value"
  echo "secret $name, ${#value} characters"
done
count secrets
echo "✅ $COUNT secrets encrypted and stored"

for repository in "${REPOSITORIES[@]}"; do
  call PUT "/orgs/$ORG/repos/$repository/workflows" "$WORKFLOWS"
  echo "workflows of $repository: $WORKFLOWS"
done
count workflows
[[ $COUNT == "${#REPOSITORIES[@]}" ]]
echo "✅ GitHub Actions workflows activated"

for entry in "${TEAMS[@]}"; do
  team=${entry%:*} size=${entry#*:}
  for ((number = 1; number <= size; number++)); do
    call GET "/orgs/$ORG/members/$team-$number"
  done
done
echo "✅ All team members have access"
