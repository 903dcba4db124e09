package pgserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Env names the variable with the connection string of a server to share.
const Env = "STRATA_POSTGRES"

// Use makes a database of our own on a server that somebody else runs, by the
// connection string of a superuser. [Server.Discard] drops it.
func Use(ctx context.Context, dsn string) (*Server, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Env, err)
	}
	c := &Server{Host: cfg.Host, Port: int(cfg.Port), User: cfg.User, Password: cfg.Password, admin: cfg.Database}
	if c.admin == "" {
		c.admin = cfg.User
	}
	c.Database = "strata_test_" + strings.ToLower(rand.Text()[:12])
	return c, c.createDatabase(ctx)
}

// createDatabase makes the database to use. Its search_path is empty: an
// unqualified name is an error.
func (c *Server) createDatabase(ctx context.Context) error {
	name := pgx.Identifier{c.Database}.Sanitize()
	for _, sql := range []string{
		"create database " + name + " template template0 encoding 'UTF8'",
		"alter database " + name + " set search_path = ''",
	} {
		if err := c.exec(ctx, c.admin, sql); err != nil {
			return err
		}
	}
	return nil
}

// DSN returns a connection string for the superuser.
func (c *Server) DSN() string { return c.DSNFor(c.User, c.Password) }

// DSNFor returns a connection string for another role.
func (c *Server) DSNFor(user, password string) string {
	return c.dsn(user, password, c.Database)
}

func (c *Server) dsn(user, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password),
		Host: fmt.Sprintf("%s:%d", c.Host, c.Port), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	if strings.HasPrefix(c.Host, "/") { // the folder of a Unix socket
		u.Host = ""
		u.RawQuery = url.Values{"host": {c.Host}, "port": {fmt.Sprint(c.Port)}}.Encode()
	}
	return u.String()
}

// Exec runs statements as the superuser, on a connection of their own.
func (c *Server) Exec(ctx context.Context, sql string) error { return c.exec(ctx, c.Database, sql) }

func (c *Server) exec(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, c.dsn(c.User, c.Password, database))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	//lint:ignore errcheck the statement's own error says more
	_ = conn.Close(ctx)
	return err
}
