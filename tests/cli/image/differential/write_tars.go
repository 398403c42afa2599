// write_tars SEED COUNT FIRST: writes COUNT tars by Go's archive/tar, in all its formats, to standard output, each behind
// its length (4 bytes, big-endian). All files of number i lie in the directory tI, i counting from FIRST.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"log"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"time"
)

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func header(random *rand.Rand, prefix string, i int) *tar.Header {
	formats := []tar.Format{tar.FormatUnknown, tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU}
	names := []string{"f", strings.Repeat("d", 80) + "/" + strings.Repeat("e", 90), strings.Repeat("n", 120), "\u00e4"}
	types := []byte{tar.TypeReg, tar.TypeReg, tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeFifo, tar.TypeChar}
	made := &tar.Header{
		Format:   formats[random.Intn(len(formats))],
		Name:     fmt.Sprintf("%s/%s%d", prefix, names[random.Intn(len(names))], i),
		Typeflag: types[random.Intn(len(types))],
		Mode:     []int64{0644, 0755, 04711, 01777}[random.Intn(4)],
		Uid:      []int{0, 1, 2097151, 3000000000}[random.Intn(4)],
		Gid:      []int{0, 7}[random.Intn(2)],
		ModTime:  time.Unix([]int64{0, 1700000000, -77, 9000000000}[random.Intn(4)], []int64{0, 0, 123456789}[random.Intn(3)]),
	}
	switch made.Typeflag {
	case tar.TypeReg:
		made.Size = int64(random.Intn(1500))
	case tar.TypeSymlink:
		made.Linkname = strings.Repeat("t", 1+random.Intn(200))
	case tar.TypeChar:
		made.Devmajor, made.Devminor = 1, 3
	}
	if random.Intn(4) == 0 && (made.Typeflag == tar.TypeReg || made.Typeflag == tar.TypeDir) {
		made.PAXRecords = map[string]string{"SCHILY.xattr.user.go": "\x01\x00\xff"}
	}
	return made
}

func write(random *rand.Rand, prefix string) []byte {
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	for i, count := 0, 1+random.Intn(12); i < count; i++ {
		made := header(random, prefix, i)
		// Not every format has room for everything; the writer says so before it writes.
		if writer.WriteHeader(made) != nil {
			continue
		}
		if _, err := writer.Write(bytes.Repeat([]byte{'g'}, int(made.Size))); err != nil {
			log.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		log.Fatal(err)
	}
	return out.Bytes()
}

func main() {
	seed, count, first := number(os.Args[1]), number(os.Args[2]), number(os.Args[3])
	for i := first; i < first+count; i++ {
		made := write(rand.New(rand.NewSource(seed*1000003+i)), fmt.Sprintf("t%d", i))
		if err := binary.Write(os.Stdout, binary.BigEndian, uint32(len(made))); err != nil {
			log.Fatal(err)
		}
		if _, err := os.Stdout.Write(made); err != nil {
			log.Fatal(err)
		}
	}
}
