# Read by the scripts of phase 2: calls to the range's stand-in for GitHub with nothing but bash.
# RANGE_GITHUB is host:port, RANGE_GITHUB_TOKEN the token; gonogo hands both on (site.yaml, `scripts`).

HOST=${RANGE_GITHUB%:*}
PORT=${RANGE_GITHUB##*:}
ORG=alawael-org

# call METHOD PATH [BODY]: the answer's body in $ANSWER. What was refused is said as gh says it, and is 1.
call() {
  local method=$1 path=$2 body=${3-} version code reason line
  if ! exec 3<>"/dev/tcp/$HOST/$PORT"; then
    echo "❌ Network timeout: $RANGE_GITHUB does not answer" >&2
    return 1
  fi
  printf '%s /github%s HTTP/1.0\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %s\r\n\r\n%s' \
    "$method" "$path" "$RANGE_GITHUB" "$RANGE_GITHUB_TOKEN" "${#body}" "$body" >&3
  read -r version code reason <&3
  reason=${reason%$'\r'}
  while IFS= read -r line <&3 && [[ $line != $'\r' ]]; do :; done
  ANSWER=$(cat <&3)
  exec 3>&-
  case $code in
    2??) return 0 ;;
    401) echo "❌ Authentication failed: gh: HTTP 401 (${method} ${path})" >&2 ;;
    *) echo "❌ gh: HTTP ${code} ${reason} (${method} ${path}): ${ANSWER}" >&2 ;;
  esac
  return 1
}

# count NAME: a figure of the organisation, as it is kept, not as it was asked for.
count() {
  call GET "/orgs/$ORG" || return 1
  local name figure
  COUNT=0
  while read -r name figure; do
    if [[ $name == "$1" ]]; then COUNT=$figure; fi
  done <<<"$ANSWER"
}
