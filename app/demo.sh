# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What app/run and app/vm share: one demo at a time, its two hosts, its end. Sourced after setup.sh.
# `daemon` is the process that the demo stands on, `cmd` the user's command, if there is one.

client=mr-client server=mr-server
state=/run/millrace-demo # locked while a demo runs; its files name what there is to clear
down_within=10 # seconds; the daemon itself drains for at most 5
daemon='' daemon_name=millrace cmd='' run_folder=''

# A living process as "PID STARTTIME": another one that gets its number is not taken for it.
identity() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != Z ]] && echo "$1 ${stat[19]}"
}

# stop SECONDS PID STARTTIME: SIGTERM, and SIGKILL if it is still there after that time.
stop() {
  local signal polls
  for signal in TERM KILL; do
    for ((polls = 50 * $1; polls > 0; polls--)); do
      [[ $(identity "$2") == "$2 $3" ]] || return 0
      ((polls < 50 * $1)) || kill -"$signal" "$2" 2>/dev/null || return 0
      sleep 0.02
    done
  done
}

# Everything that the files in $state name: the daemon first, its TAPs are in the namespaces.
clear_all() {
  local who name pid
  if [[ -s $state/daemon ]]; then
    read -ra who <"$state/daemon"
    stop "$down_within" "${who[@]}"
  fi
  for name in "$state"/netns-*; do
    [[ -e $name ]] || continue
    name=${name##*/netns-}
    for pid in $(ip netns pids "$name" 2>/dev/null); do
      read -ra who <<<"$(identity "$pid")"
      [[ ${#who[@]} == 0 ]] || stop 1 "${who[@]}"
    done
    ip netns del "$name" 2>/dev/null || true
  done
  rm -rf "${state:?}"/*
}

finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP
  clear_all
  rmdir "$state" ${run_folder:+"$run_folder"} 2>/dev/null || true
  [[ -z $daemon ]] || wait "$daemon" || say "$daemon_name ended with status $?"
  exit "$status"
}

# The one demo of this machine; what an earlier one left behind is cleared.
begin() {
  need_root
  [[ -c /dev/net/tun ]] || modprobe tun 2>/dev/null || die "needs TAP devices (/dev/net/tun)"
  mkdir -p "$state"
  exec {lock}<"$state"
  flock -n "$lock" && [[ $state -ef /dev/fd/$lock ]] || die "another demo is running; end it first"
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  clear_all
}

# --- the two hosts ---

make_namespace() {
  [[ ! -e /run/netns/$1 ]] ||
    die "there is a namespace $1 that no demo made; \`ip netns del $1\` if nobody needs it"
  : >"$state/netns-$1"
  ip netns add "$1"
  # shellcheck disable=SC2016 # $f is the inner shell's
  ip netns exec "$1" sh -c 'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do
    [ ! -e "$f" ] || echo 1 >"$f"
  done'
  ip -n "$1" link set lo up
}

# address_host NAMESPACE INTERFACE ADDRESS ROUTER
address_host() {
  # A TAP has no hardware to finish a checksum or cut a segment.
  ip netns exec "$1" ethtool -K "$2" tx off rx off gso off gro off tso off >/dev/null 2>&1 || true
  ip -n "$1" addr add "$3/24" dev "$2"
  ip -n "$1" link set "$2" up
  ip -n "$1" route add default via "$4"
}

# The hosts of the two ports, whose interfaces are there.
address_hosts() {
  address_host "$client" lan0 198.18.0.1 198.18.0.254
  address_host "$server" wan0 198.18.1.1 198.18.1.254
  ip -n "$client" route get 198.18.1.1 | grep -q 'via 198.18.0.254 dev lan0' ||
    die "the client's way to the server does not lead through millrace"
  ip netns exec "$client" ping -q -c 1 -w 10 198.18.1.1 >/dev/null ||
    die "millrace's ports are up, but it does not forward"
}

# --- the backends of the service 198.18.0.100, in the server's namespace ---

backends=(one two three) # on the ports 8001, 8002, 8003

backends_conf() {
  local i
  echo "daemon off; master_process off; pid $state/nginx/pid; error_log stderr crit;"
  echo "events {} http { access_log off;"
  for i in client_body proxy fastcgi uwsgi scgi; do
    echo "${i}_temp_path $state/nginx/$i;"
  done
  for i in "${!backends[@]}"; do
    echo "server { listen $((8001 + i)); return 200 'backend ${backends[i]}\n'; }"
  done
  echo "}"
}

# One nginx, as nobody, which needs no address yet; clear_all() finds it in the namespace, and the
# kernel tells it to stop should this shell be killed.
start_backends() {
  local i nobody=(--reuid=65534 --regid=65534 --clear-groups) deadline=$((SECONDS + up_within))
  install -d -o 65534 "$state/nginx"
  backends_conf >"$state/nginx/conf"
  ip netns exec "$server" setsid setpriv "${nobody[@]}" \
    setpriv --pdeathsig TERM nginx -p "$state/nginx" -c "$state/nginx/conf" \
    </dev/null >&2 {lock}<&- &
  for i in "${!backends[@]}"; do
    until ip netns exec "$server" nc -z 127.0.0.1 $((8001 + i)); do
      kill -0 $! 2>/dev/null || die "the backends (nginx) did not start; the reason is above"
      ((SECONDS < deadline)) || die "the backends (nginx) did not listen after $up_within s"
      sleep 0.05
    done
  done
}

# --- what millctl says, by the function `ctl` of who sources this ---

links_up() {
  ctl show ports | grep -o '"link": *"up"' | wc -l
}

# How many backends are not up; one that is not checked counts as up. Nothing without an answer.
backends_missing() {
  local rows
  rows=$(ctl show backends | tr -d ' \n') || return
  grep -o '{[^{}]*}' <<<"$rows" | grep -v '"state":"up"' | grep -cv '"check":"none"'
}

wait_for_backends() {
  local deadline=$((SECONDS + up_within))
  until [[ $(backends_missing) == 0 ]]; do
    ((SECONDS < deadline)) || die "the backends were not found healthy after $up_within s"
    sleep 0.05
  done
}

# --- the end ---

# Waits for the daemon and, if there is one, CMD; $ended is the one that ended, $status how.
wait_for_end() {
  ended=''
  while [[ -z ${ended-} ]]; do # a signal that is only looked at ends the wait, too
    status=0
    wait -n -p ended "$daemon" ${cmd:+"$cmd"} || status=$?
  done
  [[ $ended != "$daemon" ]] || {
    daemon=''
    die "$daemon_name ended by itself with status $status"
  }
}

# run_command CMD...: in the client's namespace; exits with its status.
run_command() {
  # At a terminal, Ctrl-C reaches CMD by itself, and what it means is CMD's affair.
  [[ ! -t 0 ]] || trap : INT
  env --default-signal=INT,QUIT ip netns exec "$client" "$@" <&0 {lock}<&- &
  cmd=$!
  wait_for_end
  exit "$status"
}
