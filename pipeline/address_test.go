package pipeline

import "testing"

func TestValidAddress(t *testing.T) {
	for _, address := range []string{"127.0.0.1:3306", "db1.example.com:1", ":65535", "[::1]:3306", "[fe80::1%eth0]:3306"} {
		if err := validAddress(address, 1); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{
		"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:abc", "127.0.0.1:mysql", "127.0.0.1:99999", "127.0.0.1:65536",
		"127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:0", "127.0.0.1: 1", "::1:3306", "[::1]", "[::1:3306", "a:1:2",
	} {
		if err := validAddress(address, 1); err == nil {
			t.Errorf("%q is taken for an address", address)
		}
	}
	if err := validAddress("127.0.0.1:0", 0); err != nil {
		t.Errorf("any port: %v", err)
	}
}
