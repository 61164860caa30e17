#!/bin/sh
# The compiler as cmake calls it, with more options for libopus; see scripts/tuned.sh.
case "$*" in
  *opusic-sys*) exec "$@" $BACKLINE_OPUS_FLAGS ;;
  *) exec "$@" ;;
esac
