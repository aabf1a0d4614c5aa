# Read by the scripts of plans/harbour.yaml: calls to the range's stand-in for a slot book with nothing but bash.
# RANGE_SLOTBOOK is host:port, RANGE_SLOTBOOK_TOKEN the token; gonogo hands both on (site.yaml, `scripts`).

HOST=${RANGE_SLOTBOOK%:*}
PORT=${RANGE_SLOTBOOK##*:}

# call METHOD PATH [BODY]: the answer's body in $ANSWER. What was refused is said in the port's words, and is 1.
call() {
  local LC_ALL=C method=$1 path=$2 body=${3-} version code reason line
  if ! exec 3<>"/dev/tcp/$HOST/$PORT"; then
    echo "ABORT: the slot book does not answer on $RANGE_SLOTBOOK" >&2
    return 1
  fi
  printf '%s /slotbook%s HTTP/1.0\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %s\r\n\r\n%s' \
    "$method" "$path" "$RANGE_SLOTBOOK" "$RANGE_SLOTBOOK_TOKEN" "${#body}" "$body" >&3
  read -r version code reason <&3
  while IFS= read -r line <&3 && [[ $line != $'\r' ]]; do :; done
  ANSWER=$(cat <&3)
  exec 3>&-
  case $code in
    2??) return 0 ;;
    423) echo "ABORT: the slot book is locked (${method} ${path}): ${ANSWER}" >&2 ;;
    *) echo "ABORT: ${code} ${reason%$'\r'} (${method} ${path}): ${ANSWER}" >&2 ;;
  esac
  return 1
}
