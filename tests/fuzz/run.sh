#!/usr/bin/env bash
# Runs every fuzz target for some time on a writable copy of its corpus and tells how much it ran
# and how much it saw. Exit status 1 where one of them found something; its input is named.
#   run.sh BIN [SECONDS_EACH [TARGET...]]
set -euo pipefail

bin=$(cd "${1:?usage: run.sh BIN [SECONDS_EACH [TARGET...]]}" && pwd)
seconds=${2:-60}
shift $(($# < 2 ? $# : 2))
source=$(cd "$(dirname "$0")" && pwd)
work=$bin/../fuzz

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for path in "$bin"/*_fuzz; do
    name=$(basename "$path")
    targets+=("${name%_fuzz}")
  done
fi

# Longer inputs than these only cost time.
most_bytes() {
  case $1 in
    conf | session | control | recording) echo 2048 ;;
    request | answer) echo 20000 ;;
    command) echo 6000 ;;
    *) echo 4096 ;;
  esac
}

failed=0
printf '%-8s %12s %8s %9s %9s %7s\n' target executions exec/s coverage features corpus
for name in "${targets[@]}"; do
  folder=$work/$name
  mkdir -p "$folder/corpus" "$folder/found"
  arguments=("-max_total_time=$seconds" -timeout=20 "-max_len=$(most_bytes "$name")"
    -print_final_stats=1 "-artifact_prefix=$folder/found/")
  [ -e "$source/dict/$name.dict" ] && arguments+=("-dict=$source/dict/$name.dict")
  seeds=("$source/corpus/$name")
  [ -d "$source/regressions/$name" ] && seeds+=("$source/regressions/$name")
  status=0
  "$bin/${name}_fuzz" "${arguments[@]}" "$folder/corpus" "${seeds[@]}" >"$folder/log" 2>&1 ||
    status=$?
  awk -v name="$name" '
    /cov: [0-9]/ { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1)
                   if ($i == "ft:") features = $(i + 1); if ($i == "corp:") corpus = $(i + 1) } }
    /stat::number_of_executed_units/ { runs = $2 }
    /stat::average_exec_per_sec/ { speed = $2 }
    END { sub("/.*", "", corpus)
          printf "%-8s %12s %8s %9s %9s %7s\n", name, runs, speed, cov, features, corpus }
  ' "$folder/log"
  if [ "$status" -ne 0 ]; then
    failed=1
    echo "$name: FAILED with status $status; log: $folder/log" >&2
    grep -m 3 -E 'assertion failed|ERROR: |runtime error' "$folder/log" >&2 || true
    # libFuzzer says where it wrote the input.
    grep -E 'Test unit written to' "$folder/log" | sed 's/.*Test unit written to /input: /' >&2 || true
  fi
done
exit "$failed"
