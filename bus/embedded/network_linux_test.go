package embedded

import "testing"

func TestNetworkMagic(t *testing.T) {
	t.Parallel()
	for magic, want := range map[uint32]string{
		0x6969: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb2", 0x01021997: "9p", 0x0bd00bd0: "lustre", 0x47504653: "gpfs", 0x00c36400: "ceph",
		0xef53: "", 0x01021994: "", 0x9123683e: "", 0x58465342: "", 0x794c7630: "", // ext4, tmpfs, btrfs, xfs, overlay
	} {
		if got := networkMagic(magic); want != got {
			t.Errorf("%#x: want %q, got %q", magic, want, got)
		}
	}
}

func TestNetworkFS_local(t *testing.T) {
	t.Parallel()
	if name, err := networkFS("/proc"); err != nil || name != "" {
		t.Errorf("want a local file system, got %q (%v)", name, err)
	}
	if _, err := networkFS("/no/such/dir"); err == nil {
		t.Error("want an error, got none")
	}
	if name, err := mountType("/proc"); err != nil || name != "proc" {
		t.Errorf("want proc, got %q (%v)", name, err)
	}
}

func TestMountLine(t *testing.T) {
	t.Parallel()
	const line = "36 35 0:52 / /mnt/s rw,noatime shared:1 master:2 - fuse.sshfs u@h:/ rw,user_id=0"
	for _, c := range []struct {
		line, device, want string
		ok                 bool
	}{
		{line, "0:52", "fuse.sshfs", true},
		{line, "0:5", "", false},
		{"36 35 0:52 / /mnt/s rw", "0:52", "", false},
		{"", "0:52", "", false},
	} {
		if got, ok := mountLine(c.line, c.device); got != c.want || ok != c.ok {
			t.Errorf("%q: want %q %v, got %q %v", c.line, c.want, c.ok, got, ok)
		}
	}
	if !networkFuse("fuse.sshfs") || networkFuse("fuse.portal") {
		t.Error("want sshfs refused and the portal taken, got otherwise")
	}
}
