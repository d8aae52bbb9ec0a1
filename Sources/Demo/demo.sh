#!/bin/bash
# A real model reads a real long text, first with a device tier far too small for its KV, then with everything resident.
# The two must say the same tokens. `make demo` calls this; MODEL and BIN say where the model and the programs are.
set -euo pipefail

model=${MODEL:?name the model file, or use make demo}
bin=${BIN:?name the directory of the programs, or use make demo}
text=${TEXT:-/usr/share/common-licenses/GPL-3}
new_tokens=${MAX_NEW_TOKENS:-48}
scratch=
daemon=
worker=

# Ends one child: asks, waits up to five seconds, then insists. No process of ours is left behind.
end_child() {
  local pid=$1
  [ -n "$pid" ] || return 0
  kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 50); do
    if ! kill -0 "$pid" 2>/dev/null; then
      wait "$pid" 2>/dev/null || true
      return 0
    fi
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

clean_up() {
  trap - EXIT
  trap '' INT TERM HUP
  end_child "$worker"
  end_child "$daemon"
  [ -z "$scratch" ] || rm -rf "$scratch"
}
trap clean_up EXIT
trap 'echo; echo "demo: stopped" >&2; exit 130' INT
trap 'exit 143' TERM HUP
# Only now is there somebody to remove it; and Ctrl-C, which reaches the whole group, must not come between its making
# and its being known.
scratch=$(trap '' INT && exec mktemp -d "${TMPDIR:-/tmp}/tierd-demo.XXXXXX")

# start_daemon NAME FLAG…: a daemon with places of its own; returns when it answers.
start_daemon() {
  local place=$scratch/$1
  shift
  mkdir -m 0700 "$place"
  "$bin/tierd" --runtime-dir "$place/run" --state-dir "$place/state" --log-level warning "$@" \
    2>"$place/log" </dev/null &
  daemon=$!
  for _ in $(seq 100); do
    if [ -S "$place/run/worker.sock" ] &&
      "$bin/tierctl" --socket "$place/run/control.sock" status >/dev/null 2>&1; then
      return 0
    fi
    if ! kill -0 "$daemon" 2>/dev/null; then
      echo "demo: tierd ended before it was ready:" >&2
      cat "$place/log" >&2
      exit 70
    fi
    sleep 0.1
  done
  echo "demo: tierd was not ready within 10 s:" >&2
  cat "$place/log" >&2
  exit 69
}

# run_worker NAME FLAG…: in the background and waited for, so that a signal to this script is acted on at once.
run_worker() {
  local place=$scratch/$1
  shift
  "$bin/tier-worker" run --socket "$place/run/worker.sock" --model "$model" --prompt-file "$scratch/prompt.txt" \
    --weights private --prefill-chunk-size 512 --ordered --max-new-tokens "$new_tokens" "$@" </dev/null &
  worker=$!
  local status=0
  wait "$worker" || status=$?
  worker=
  if [ "$status" -ne 0 ]; then
    echo "demo: tier-worker failed with exit code $status; the daemon said:" >&2
    cat "$place/log" >&2
    exit "$status"
  fi
}

# The ids in what a worker's --json-file wrote, as one line of text.
token_ids() {
  python3 -c 'import json, sys; print(*json.load(open(sys.argv[1]))["token_ids"])' "$1"
}

prepare_prompt() {
  {
    cat "$text"
    printf '\n\nQuestion: What is the name of the licence above, and who published it?\n'
  } >"$scratch/prompt.txt"
}

main() {
  prepare_prompt
  echo "== KV on three tiers: 48 MiB of device, 48 MiB of host, the rest on disk"
  start_daemon tiered --device emulated --device-budget 48MiB --host-budget 48MiB --disk-budget 2GiB
  run_worker tiered --json-file "$scratch/tiered.json"
  echo
  "$bin/tierctl" --socket "$scratch/tiered/run/control.sock" status
  end_child "$daemon"
  daemon=

  echo
  echo "== the same with everything resident: 1 GiB of device"
  start_daemon resident --device emulated --device-budget 1GiB --host-budget 1GiB --disk-budget 2GiB
  run_worker resident --json-file "$scratch/resident.json"
  echo

  local tiered resident
  tiered=$(token_ids "$scratch/tiered.json")
  resident=$(token_ids "$scratch/resident.json")
  if [ -n "$tiered" ] && [ "$tiered" = "$resident" ]; then
    echo "tokens: same"
  else
    echo "tokens: differ"
    exit 1
  fi
}

main
