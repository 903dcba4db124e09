package pgstore

import (
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const dsnForm = "the form is postgres://user:password@host:5432/database?sslmode=require, with special characters of the password written as %XX"

// parseDSN reads a connection string, which errors call by the name of the field
// that holds it, and adds what it leaves open.
func parseDSN(field, dsn string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, &ConfigError{Field: field, Cure: "cannot be read" + reason(dsn, err) + "; " + dsnForm}
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "strata"
	}
	cfg.ConnConfig.OnNotice = OnNotice
	impatient(&cfg.ConnConfig.Config, dsn)
	return cfg, nil
}

// reason returns what is wrong with a connection string where that cannot hold
// a part of the password. In a string that is not even a URL nobody knows where
// the password ends.
func reason(dsn string, err error) string {
	u, parseErr := url.Parse(dsn)
	bad, ok := errors.AsType[*pgconn.ParseConfigError](err)
	if parseErr != nil || u.Scheme == "" || u.Host == "" || !ok {
		return ""
	}
	inner := errors.Unwrap(bad)
	if inner == nil {
		return ""
	}
	text := inner.Error()
	secrets := append(u.Query()["password"], u.Query()["sslpassword"]...)
	if password, ok := u.User.Password(); ok {
		secrets = append(secrets, password)
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			return ""
		}
	}
	return ": " + text
}
