#!/bin/sh
# The main job on the bundled models: documents and a chat log in, a release that is proven better out.
set -eu
here=$(dirname "$0")
ragloop=${RAGLOOP_BIN:-ragloop}
export RAGLOOP_HOME="${RAGLOOP_HOME:-.ragloop-demo}"

step() { printf '\n\033[1m%s\033[0m\n' "$1"; }
[ -t 1 ] || step() { printf '\n== %s\n' "$1"; }

step "1. Documents: the handbook of an imaginary company"
"$ragloop" ingest "$here/corpus" --collection handbook

step "2. What people asked: a chat log in their own words"
"$ragloop" pairs import "$here/chat_log.jsonl" --collection handbook

step "3. The loop: write questions, train, index, judge on sealed questions, promote or keep"
"$ragloop" retrain --collection handbook

step "4. What serves now"
"$ragloop" releases list --collection handbook
"$ragloop" releases show production --collection handbook

step "5. A question that the company's own words never use"
"$ragloop" ask "what happens to my service plan when I sell the house" --collection handbook

step "Where to look next"
demo="RAGLOOP_HOME=$RAGLOOP_HOME $ragloop"
cat <<TXT
  $RAGLOOP_HOME holds all of it, sealed:
  $demo evaluate --collection handbook              # figures by origin and type of question
  $demo releases rollback --collection handbook     # what served before, at once
  ${ragloop%ragloop}tensorboard --logdir $RAGLOOP_HOME/artifacts/embedder    # how the training went

  The same with your own documents, in a home of their own:
  $ragloop ingest YOUR_FOLDER
  $ragloop pairs import QUESTIONS.jsonl
  $ragloop retrain
TXT
