package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Fields of /proc/PID/stat behind the command's name: see proc_pid_stat(5),
// where they have the numbers 3, 20 and 22.
const (
	statState   = 0
	statThreads = 17
	statStart   = 19
)

// identity is "boot/namespaces/pid/start". A pid means something in its PID
// namespace, a start in its time namespace.
func identity() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	pids, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	times, _ := os.Readlink("/proc/self/ns/time") // before Linux 5.6 there are none
	stat, err := os.ReadFile("/proc/self/stat")
	if pid, _, e := parseStat(stat); err != nil || e != nil || pid != os.Getpid() {
		return "" // this /proc is of another namespace
	}
	return fmt.Sprintf("%s/%s%s/%d/%s", bytes.TrimSpace(boot), pids, times, os.Getpid(), statField(stat, statStart))
}

// gone is Gone of an identity.
func gone(id string) bool {
	then, now := strings.Split(id, "/"), strings.Split(identity(), "/")
	if len(then) != 4 || len(now) != 4 {
		return false
	}
	pid, err := strconv.Atoi(then[2])
	switch {
	case err != nil || pid <= 0:
		return false
	case then[0] != now[0]:
		return true
	case then[1] != now[1]:
		return false
	case errors.Is(unix.Kill(pid, 0), unix.ESRCH):
		return true
	}
	stat, err := os.ReadFile("/proc/" + then[2] + "/stat")
	if err != nil {
		return false // it may be hidden from us
	}
	return statField(stat, statStart) != then[3] || ended(stat)
}

// ended reports whether a process is over and only waits for its parent to
// take note. Its first thread may end before others.
func ended(stat []byte) bool {
	state, threads := statField(stat, statState), statField(stat, statThreads)
	return (state == "Z" || state == "X") && (threads == "0" || threads == "1")
}

func statField(stat []byte, n int) string {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if n >= len(fields) {
		return ""
	}
	return string(fields[n])
}
