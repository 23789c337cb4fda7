#!/usr/bin/env bash
# A whole review in tmux: starts a stack of its own, imports a chat log, runs an analysis, decides on every proposal
# with keys, closes the run, and prints the screens on the way. From the project's root:
#   docs/scripts/review-session.sh FORMAT PATH FROM TO
set -euo pipefail
format=$1 path=$2 from=$3 to=$4
gleaner=.venv/bin/gleaner
data=$(mktemp -d)
$gleaner dev --data-dir "$data" --api-port 0 --temporal-port 0 --ui-port 0 --no-sample > "$data/out" 2>&1 &
stack=$!
session=gleaner-review-$$
finish() {
  tmux kill-session -t "$session" 2>/dev/null || true
  kill "$stack" && wait "$stack" || true
  rm -rf "$data"
}
trap finish EXIT

until grep -q '^ready ' "$data/out"; do kill -0 "$stack" && sleep 0.2; done
field() { .venv/bin/python -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$data/stack.json" "$1"; }
GLEANER_API_URL=$(field api) GLEANER_DATABASE_URL=$(field postgres)
export GLEANER_API_URL GLEANER_DATABASE_URL

$gleaner import "$format" "$path" --source review
run=$($gleaner run --from "$from" --to "$to" --watch | sed -n '1s/.*\([0-9a-f-]\{36\}\).*/\1/p')
run=${run:-$($gleaner runs --limit 1 --json | .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["items"][0]["id"])')}

screen() { tmux capture-pane -p -t "$session" | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; }
await() { until screen | grep -q "$1"; do sleep 0.1; done; }
left() { screen | sed -n 's/.* \([0-9]*\) to decide.*/\1/p'; }

tmux new-session -d -s "$session" -x 110 -y 38 "$gleaner review $run; read -r _"
await 'to decide'
screen
total=$(left)
for ((left = total; left > 0; left--)); do
  await " $left to decide"
  # Two of three are accepted, the third is declined as no task.
  if ((left % 3)); then tmux send-keys -t "$session" a; else tmux send-keys -t "$session" x 1; fi
done
await 'Every proposal of this run is decided'
screen
tmux send-keys -t "$session" c
await 'Closed'
screen
$gleaner runs --limit 1
