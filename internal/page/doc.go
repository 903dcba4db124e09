// Package page prints for people: numbers, text and tables for a terminal, and
// pages of HTML with drawings. The reports of the root and the findings of the
// simulation kit look alike because both are printed here.
package page
