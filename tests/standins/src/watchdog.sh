# Runs a program, and ends it when this script's standard input closes. The other end of that pipe is held by the process that
# wants the program, so the kernel closes it however that process ends, SIGKILL and panic included.
#
#   sh -c <this> watchdog OUT ERR REMOVE PROGRAM [ARGUMENT...]
#
# OUT and ERR (which may be the same file) take the program's output. REMOVE is a folder that goes when all is over, or empty. Lines on standard input are names of
# signals for the program. Standard output gets the program's process id and later, on a line of its own, its exit code.
out=$1 err=$2 remove=$3
shift 3
exec 3<&0

"$@" </dev/null >>"$out" 2>>"$err" 3<&- &
program=$!
# From here on a reader that has gone must not end this script before it has cleaned up.
trap '' PIPE
echo "$program"

(
    while read -r signal <&3; do
        kill -s "$signal" "$program"
    done
    kill -s KILL "$program"
) >/dev/null 2>&1 &
listener=$!

wait "$program"
code=$?
# The listener goes before it could signal a stranger that was given the same process id.
kill -s KILL "$listener" 2>/dev/null
wait "$listener" 2>/dev/null
echo "$code" 2>/dev/null

cat <&3 >/dev/null
if [ -n "$remove" ]; then
    rm -rf -- "$remove"
fi
