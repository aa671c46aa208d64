package embedded

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fuseMagic is the type of every FUSE file system, network or not.
const fuseMagic = 0x65735546

// networkMagic names the file system types of statfs(2) that other machines
// can write, too. The numbers are those of linux/magic.h and, for the three
// last, of their own sources.
func networkMagic(magic uint32) string {
	switch magic {
	case 0x6969:
		return "nfs"
	case 0xff534d42:
		return "cifs"
	case 0xfe534d42:
		return "smb2"
	case 0x517b:
		return "smb"
	case 0x01021997:
		return "9p"
	case 0x00c36400:
		return "ceph"
	case 0x5346414f, 0x6b414653:
		return "afs"
	case 0x7461636f:
		return "ocfs2"
	case 0x0bd00bd0:
		return "lustre"
	case 0x47504653:
		return "gpfs"
	case 0x19830326:
		return "beegfs"
	}
	return ""
}

// networkFuse are the FUSE file systems that reach other machines.
func networkFuse(name string) bool {
	switch name {
	case "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.juicefs", "fuse.davfs", "fuse.curlftpfs":
		return true
	}
	return false
}

// networkFS returns the name of dir's file system if it is a network one, else "".
func networkFS(dir string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "", os.NewSyscallError("statfs", err)
	}
	if uint32(st.Type) != fuseMagic {
		return networkMagic(uint32(st.Type)), nil
	}
	name, err := mountType(dir)
	if err != nil || !networkFuse(name) {
		return "", err
	}
	return name, nil
}

// mountType returns the type that proc_pid_mountinfo(5) gives dir's device.
func mountType(dir string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return "", os.NewSyscallError("stat", err)
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer f.Close()
	device := strconv.Itoa(int(unix.Major(st.Dev))) + ":" + strconv.Itoa(int(unix.Minor(st.Dev)))
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, ok := mountLine(lines.Text(), device); ok {
			return name, nil
		}
	}
	return "", lines.Err()
}

// mountLine returns the file system type of a line about the device.
func mountLine(line, device string) (string, bool) {
	mount, fs, ok := strings.Cut(line, " - ")
	m, f := strings.Fields(mount), strings.Fields(fs)
	if !ok || len(m) < 3 || len(f) < 1 || m[2] != device {
		return "", false
	}
	return f[0], true
}
