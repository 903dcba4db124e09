package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// product is something that the shop sells.
type product struct {
	SKU, Name, Category string
	Price               int64 // in cents
	Before              int64 // in cents: what it cost before; 0 where it was never dearer
	Stock               int
	Sold                int // how often, so far: what ranking by popularity goes by
}

// catalogue is all products, in memory. It never changes and is safe for concurrent
// use; what it returns belongs to it.
type catalogue struct {
	bySKU      map[string]*product
	categories []string
	ranked     map[string]map[string][]*product // by ranking and category, "" being all of them
}

// The rankings of a list.
var rankings = map[string]func(a, b *product) int{
	"name":    func(a, b *product) int { return cmp.Compare(a.Name, b.Name) },
	"price":   func(a, b *product) int { return cmp.Compare(a.Price, b.Price) },
	"popular": func(a, b *product) int { return cmp.Compare(b.Sold, a.Sold) },
}

func newCatalogue() *catalogue {
	c := &catalogue{
		bySKU:      make(map[string]*product),
		categories: []string{"kitchen", "garden", "office", "travel"},
		ranked:     make(map[string]map[string][]*product),
	}
	all := c.make()
	for ranking, compare := range rankings {
		slices.SortStableFunc(all, compare)
		c.ranked[ranking] = map[string][]*product{"": slices.Clone(all)}
		for _, p := range all {
			c.ranked[ranking][p.Category] = append(c.ranked[ranking][p.Category], p)
		}
	}
	return c
}

// make makes the products up.
func (c *catalogue) make() (all []*product) {
	things := map[string][]string{
		"kitchen": {"kettle", "bowl", "knife", "tray"},
		"garden":  {"rake", "hose", "lantern", "bench"},
		"office":  {"lamp", "notebook", "chair", "clock"},
		"travel":  {"bag", "bottle", "pillow", "adapter"},
	}
	for _, category := range c.categories {
		for i, thing := range things[category] {
			for j, look := range []string{"Plain", "Painted", "Grand"} {
				n := len(all)
				p := &product{
					SKU: fmt.Sprintf("sku-%02d", n), Name: look + " " + thing, Category: category,
					Price: int64(9_90 + 7_00*j + 2_50*i + n%7*30), Stock: 3 + n*5%17, Sold: n * 37 % 101,
				}
				if n%4 == 0 {
					p.Before = p.Price * 5 / 4
				}
				c.bySKU[p.SKU] = p
				all = append(all, p)
			}
		}
	}
	return all
}

// list returns a category, or all where it is empty, in the order of a ranking, at
// most limit products. An unknown ranking counts as "name".
func (c *catalogue) list(category, ranking string, limit int64) []*product {
	ranked, ok := c.ranked[ranking]
	if !ok {
		ranked = c.ranked["name"]
	}
	list := ranked[category]
	return list[:clamp(limit, len(list))]
}

// search returns products whose name has the words in it.
func (c *catalogue) search(words, ranking string, limit int64) (found []*product) {
	words = strings.ToLower(strings.TrimSpace(words))
	for _, p := range c.list("", ranking, int64(len(c.bySKU))) {
		if words != "" && strings.Contains(strings.ToLower(p.Name), words) {
			found = append(found, p)
		}
	}
	return found[:clamp(limit, len(found))]
}

// related returns other products of the same category.
func (c *catalogue) related(to *product, limit int64) (list []*product) {
	for _, p := range c.list(to.Category, "popular", int64(len(c.bySKU))) {
		if p != to {
			list = append(list, p)
		}
	}
	return list[:clamp(limit, len(list))]
}

// clamp keeps what a plan says within what there is: a typing error in a plan must
// not take a page down.
func clamp(n int64, most int) int { return int(min(max(n, 0), int64(most))) }
