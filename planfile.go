package strata

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A plan file holds the plan versions that the store last listed, so that a
// process can start while the store is down. Its first line is a planFileHeader,
// the rest is planFileBody.

// planFileFormat is how every plan file begins.
const planFileFormat = "strata plan file 1"

type planFileHeader struct {
	Format string `json:"format"`
	SHA256 string `json:"sha256"` // of all that follows this line
}

type planFileBody struct {
	Saved time.Time       `json:"saved"`
	Plans []planFileEntry `json:"plans"` // the one in effect, then those that take effect later
}

type planFileEntry struct {
	Version     int64     `json:"version"`
	EffectiveAt time.Time `json:"effective_at,omitzero"`
	Plan        *Plan     `json:"plan"`
}

// writePlanFile replaces a plan file in one step: a crash leaves the old one or
// the new one.
func writePlanFile(name string, saved time.Time, versions []PlanVersion) error {
	data, err := encodePlanFile(saved, versions)
	if err == nil {
		err = checkPlanFile(name)
	}
	if err == nil {
		err = replaceFile(name, data)
	}
	if err != nil {
		return fmt.Errorf("strata: Config.PlanFile cannot be written: %w", err)
	}
	return nil
}

func encodePlanFile(saved time.Time, versions []PlanVersion) ([]byte, error) {
	content := planFileBody{Saved: saved.UTC()}
	for _, v := range versions {
		content.Plans = append(content.Plans, planFileEntry{v.Version, v.EffectiveAt, v.Plan})
	}
	body, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	header, err := json.Marshal(planFileHeader{planFileFormat, checksum(body)})
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{header, body}, []byte("\n")), nil
}

func checksum(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// checkPlanFile makes sure that nothing is replaced but a plan file: a wrong path
// must not cost somebody's data.
func checkPlanFile(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	want := []byte(`{"format":"strata plan file`)
	found := make([]byte, len(want))
	n, err := io.ReadFull(f, found)
	if n == 0 && errors.Is(err, io.EOF) || bytes.Equal(want, found) {
		return nil
	}
	return fmt.Errorf("%s holds something else; name another file, or remove that one", name)
}

// replaceFile writes a file that only its owner can read.
func replaceFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// readPlanFile returns what writePlanFile wrote. The plans are not validated.
func readPlanFile(name string) (saved time.Time, versions []PlanVersion, err error) {
	data, err := os.ReadFile(name)
	if err == nil {
		saved, versions, err = decodePlanFile(data)
	}
	if err != nil {
		return saved, nil, fmt.Errorf("strata: Config.PlanFile %s cannot be used: %w", name, err)
	}
	return saved, versions, nil
}

func decodePlanFile(data []byte) (saved time.Time, versions []PlanVersion, err error) {
	line, body, _ := bytes.Cut(data, []byte("\n"))
	var header planFileHeader
	if err := json.Unmarshal(line, &header); err != nil || header.Format != planFileFormat {
		return saved, nil, fmt.Errorf("it does not begin like a %s; remove it", planFileFormat)
	}
	if header.SHA256 != checksum(body) {
		return saved, nil, errors.New("its checksum is wrong, it was damaged or edited; remove it")
	}
	var content planFileBody
	if err := json.Unmarshal(body, &content); err != nil {
		return saved, nil, err
	}
	for _, entry := range content.Plans {
		if entry.Plan == nil {
			return saved, nil, fmt.Errorf("version %d has no plan; remove it", entry.Version)
		}
		versions = append(versions, PlanVersion{Version: entry.Version, EffectiveAt: entry.EffectiveAt, Plan: entry.Plan})
	}
	return content.Saved, versions, nil
}
