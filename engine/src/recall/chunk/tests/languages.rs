//! One file of each language, and what comes out of it.

use insta::assert_snapshot;

use super::{super::*, cut, file};

/// Imports, then a line for each chunk: its lines, what it is, its symbol, its part; then after `|` its signature, after
/// `"` its documentation and after `→` what it calls.
fn outline(path: &str, text: &str) -> String {
    let chunked = cut(&file(path, text.as_bytes()));
    let imports = (!chunked.imports.is_empty()).then(|| format!("imports {}", chunked.imports.join("; ")));
    let lines = imports.into_iter().chain(chunked.chunks.iter().map(describe));
    lines.collect::<Vec<_>>().join("\n")
}

fn describe(chunk: &Chunk) -> String {
    let mut line = format!("{}-{} {}", chunk.lines.0, chunk.lines.1, format!("{:?}", chunk.kind).to_lowercase());
    let part = if chunk.part > 0 { format!("#{}", chunk.part) } else { String::new() };
    let rest = [
        ("", chunk.symbol.join(" > ")),
        ("", part),
        ("| ", chunk.signature.clone()),
        ("\" ", chunk.doc.replace('\n', " / ")),
        ("→ ", chunk.calls.join(" ")),
    ];
    for (mark, text) in rest.iter().filter(|(_, text)| !text.is_empty()) {
        line.push_str(&format!(" {mark}{text}"));
    }
    line
}

#[test]
fn bash() {
    let text = r###"#!/usr/bin/env bash
set -eu
source ./lib.sh

# Builds the image.
#
# $1: its tag
build() {
  local tag="$1"
  docker build -t "$tag" . | tee build.log
}

build "${1:-latest}"
push_image "${1:-latest}" --to registry --retries 3 --quiet --sign
"###;
    assert_snapshot!(outline("deploy.sh", text), @r###"
    imports source ./lib.sh
    1-3 module → set source
    5-11 function build | build() " Builds the image. /  / $1: its tag → docker tee
    13-14 module → build push_image
    "###);
}

#[test]
fn c() {
    let text = r###"#include <stdlib.h>
#define MOST 8

/* A list. */
struct list {
  int length;
};

typedef struct { int key; } entry_t;

struct list *list_new(int length);

/*
 * Frees a list.
 */
static int *list_free(struct list *list, void (*free_one)(void *))
{
  free_one(list->head(list));
  return free(list);
}

#ifdef DEBUG
int list_check(struct list *list) { return list->length; }
#endif
"###;
    assert_snapshot!(outline("list.c", text), @r###"
    imports #include <stdlib.h>
    1-2 module
    4-7 type list | struct list " A list.
    9-11 type entry_t | typedef struct
    13-20 function list_free | static int *list_free(struct list *list, void (*free_one)(void *)) " Frees a list. → free_one head free
    22-24 function list_check | int list_check(struct list *list)
    "###);
}

#[test]
fn cpp() {
    let text = r###"#include "list.h"
using namespace std;

namespace store::lists {

/// A list of things.
template <typename T>
class List : public Base {
 public:
  List() : length(0) {}
  bool operator==(const List& other) const { return same<T>(other); }

 private:
  int length;
};

template <class T>
int List<T>::push(T&& thing) {
  this->nodes.insert(new Node(std::move(thing)));
  return ++length;
}

std::string& name() { return names().front(); }

}  // namespace store::lists
"###;
    assert_snapshot!(outline("list.cpp", text), @r###"
    imports #include "list.h"; using namespace std;
    1-4 module
    6-15 type store > lists > List | class List : public Base " A list of things. → same
    10-10 method store > lists > List > List | List() : length(0)
    11-11 method store > lists > List > operator== | bool operator==(const List& other) const → same
    17-21 method store > lists > List > push | int List<T>::push(T&& thing) → insert Node move
    23-25 function store > lists > name | std::string& name() → names front
    "###);
}

#[test]
fn csharp() {
    let text = r###"using System;

namespace Shop.Orders;

/// <summary>All orders of a <see cref="Customer"/>.</summary>
[Table("orders")]
public class Orders<T> : Base
{
    public int Count { get; set; }

    public Orders() : base(1) { }

    /// <param name="order">what is bought</param>
    public async Task<int> Add(Order order)
    {
        await this.store.Save<Order>(new Entry(order));
        foreach (var line in order.Lines) { Log(line.ToString()); Total += line.Price * line.Count; }
        return Count;
    }

    interface IVisitor { void Visit(); }
}
"###;
    assert_snapshot!(outline("Orders.cs", text), @r###"
    imports using System;
    1-3 module
    5-11 type Orders | [Table("orders")] public class Orders<T> : Base " All orders of a Customer .
    11-11 method Orders > Orders | public Orders() : base(1)
    13-19 method Orders > Add | public async Task<int> Add(Order order) " order what is bought → Save Entry Log ToString
    21-22 type Orders > IVisitor | interface IVisitor
    "###);
}

#[test]
fn css() {
    let text = r###"@import "reset.css";

/* Buttons. */
.button:hover, nav > a {
  color: red;
}
@media (min-width: 40em) {
  .button { padding: 1em; }
}
"###;
    assert_snapshot!(outline("site.css", text), @r###"
    imports @import "reset.css";
    1-9 module
    "###);
}

#[test]
fn dockerfile() {
    let text = r###"# Two stages.
FROM node:22 AS build
RUN npm ci && \
    npm run build
FROM scratch
COPY --from=build /app /app
CMD ["/app"]
"###;
    assert_snapshot!(outline("Dockerfile", text), @r###"
    imports FROM node:22 AS build; FROM scratch
    1-7 module " Two stages.
    "###);
}

#[test]
fn go() {
    let text = r###"package server

import (
	"fmt"
	log "log/slog"
)

// Server answers requests.
type Server struct {
	addr string
}

type (
	Handler func(Request) error
	Closer  interface{ Close() error }
)

const limit = 10

// Close ends all connections.
//
//go:noinline
func (s *Server[T]) Close(reason string) error {
	defer s.conn.Close()
	return fmt.Errorf("closed: %s", reason)
}

func Map[T any](values []T) { log.Info("mapped") }
"###;
    assert_snapshot!(outline("server.go", text), @r###"
    imports "fmt"; log "log/slog"
    1-6 module
    8-11 type Server | type Server struct " Server answers requests.
    13-14 type Handler | Handler func(Request) error
    15-18 type Closer | Closer interface
    20-26 method Server > Close | func (s *Server[T]) Close(reason string) error " Close ends all connections. → Close Errorf
    28-28 function Map | func Map[T any](values []T) → Info
    "###);
}

#[test]
fn hcl() {
    let text = r###"# Where pictures are kept.
resource "aws_s3_bucket" "pictures" {
  bucket = format("%s-pictures", var.name)
  acl    = "private"
  tags = {
    Name        = "Pictures of all things in the shop"
    Environment = var.environment
    Owner       = "shop@example.org"
  }
}

variable "name" {
  default = "shop"
}
"###;
    assert_snapshot!(outline("main.tf", text), @r###"
    1-10 type resource > aws_s3_bucket > pictures | resource "aws_s3_bucket" "pictures" " Where pictures are kept. → format
    12-14 module
    "###);
}

#[test]
fn html() {
    let text = r###"<!DOCTYPE html>
<html>
  <body>
    <!-- The title. -->
    <h1>Shop</h1>
  </body>
</html>
"###;
    assert_snapshot!(outline("page.html", text), @"1-7 module");
}

#[test]
fn java() {
    let text = r###"package bank;

import java.util.List;

/** Money of somebody. */
@Entity
public class Account<T> extends Base {
  private int balance = 0;

  public Account() { super(); }

  /** Takes money. */
  @Override
  public int withdraw(int amount) {
    if (amount > this.balance) {
      throw new TooMuch("only " + this.balance + " are left on this account");
    }
    this.ledger.entries().add(new Entry<T>(amount, Clock.now()));
    return this.balance - amount;
  }

  enum State { OPEN, CLOSED }
}
"###;
    assert_snapshot!(outline("Account.java", text), @r###"
    imports import java.util.List;
    1-3 module
    5-10 type Account | @Entity public class Account<T> extends Base " Money of somebody.
    10-10 method Account > Account | public Account()
    12-20 method Account > withdraw | @Override public int withdraw(int amount) " Takes money. → TooMuch entries add Entry now
    22-23 type Account > State | enum State
    "###);
}

#[test]
fn javascript() {
    let text = r###"import fs from "fs";
const path = require("path");

/** Adds prices. */
export const total = (items) => {
  return sum(items.map((item) => item.price));
};

export default class Cart extends Base {
  size = 1;
  /** Puts it in. */
  put(item) { this.items.push(new Line(item)); }
}

Cart.prototype.clear = function () { this.items = []; };

const store = createSlice({
  reducers: { emptied(state) { reset(state); } },
});

describe("a cart", () => {
  it("is empty until something is put into it", async () => {
    const cart = new Cart({ currency: "EUR", locale: "de", rounding: "half-up" });
    expect(cart.items).toEqual([]);
    expect(cart.total()).toBe(0);
  });
});
"###;
    assert_snapshot!(outline("cart.js", text), @r###"
    imports import fs from "fs";; const path = require("path");
    1-2 module → require
    4-7 function total | export const total = (items) " Adds prices. → sum map
    9-13 type Cart | export default class Cart extends Base → push Line
    11-12 method Cart > put | put(item) " Puts it in. → push Line
    15-15 method Cart > clear | Cart.prototype.clear = function ()
    17-18 function store > reducers > emptied | emptied(state) → createSlice reset
    19-21 module → describe
    22-27 function a cart > is empty until something is put into it | it("is empty until something is put into it", async () → it Cart expect toEqual total toBe
    "###);
}

#[test]
fn json() {
    let text = r###"{
  "name": "shop",
  "scripts": { "test": "jest" }
}
"###;
    assert_snapshot!(outline("package.json", text), @"1-4 module");
}

#[test]
fn kotlin() {
    let text = r###"package shop

import shop.money.Price

/** What somebody buys. */
@Serializable
class Cart<T>(val lines: List<T>) : Base() {
    val total: Int get() = sum()

    fun add(line: T): Int {
        return this.lines.plus(line).size
    }

    companion object {
        fun empty() = Cart(listOf<Int>())
    }
}

interface Priced {
    fun price(): Int
}

fun String.toPrice(): Price = Price(this.trim())
"###;
    assert_snapshot!(outline("Cart.kt", text), @r###"
    imports import shop.money.Price
    1-3 module
    5-17 type Cart | @Serializable class Cart<T>(val lines: List<T>) : Base() " What somebody buys. → Base sum plus Cart listOf
    10-12 method Cart > add | fun add(line: T): Int → plus
    14-16 type Cart > Companion | companion object → Cart listOf
    15-15 method Cart > Companion > empty | fun empty() → Cart listOf
    19-21 type Priced | interface Priced
    23-23 method String > toPrice | fun String.toPrice(): Price → Price trim
    "###);
}

#[test]
fn lua() {
    let text = r###"local http = require("http")
local M = { VERSION = 1 }

--- Sends a request.
-- @param url where to
function M.send(url) return http.get(url) end

function M:close() self.pool:release(1) end

M.retry = function(times) return M.send(times) end

return M
"###;
    assert_snapshot!(outline("plugin.lua", text), @r###"
    imports local http = require("http")
    1-2 module → require
    4-6 method M > send | function M.send(url) " Sends a request. / @param url where to → get
    8-8 method M > close | function M:close() → release
    10-12 method M > retry | M.retry = function(times) → send
    "###);
}

#[test]
fn php() {
    let text = r###"<?php

namespace Shop\Mail;

use Shop\Order;

require_once 'config.php';

/**
 * Sends mail.
 */
#[Service]
final class Mailer extends Base implements Sender
{
    use Logs;

    private $from = 'shop';

    /** Sends one. */
    public function send(Order $order): ?string
    {
        $this->log($order->id());
        return Transport::to($order->mail)->send(new Letter(render('mail', $order)), retries(3));
    }
}

function retries($most) { return min($most, 5); }
"###;
    assert_snapshot!(outline("Mailer.php", text), @r###"
    imports use Shop\Order;; require_once 'config.php'
    1-7 module
    9-17 type Mailer | #[Service] final class Mailer extends Base implements Sender " Sends mail.
    19-25 method Mailer > send | public function send(Order $order): ?string " Sends one. → log id to send Letter render retries
    27-27 function retries | function retries($most) → min
    "###);
}

#[test]
fn python() {
    let text = r###""""Talks to the store."""
import os
from json import (dumps,
                  loads)


@dataclass
class Client(Base):
    """Sends orders."""

    timeout = 5

    @property
    def url(self) -> str:
        return os.environ["URL"].strip()

    def send(self, order, retries=3):
        """Sends an order.

        Tries again when the line is down.
        """
        for attempt in range(retries):
            body = dumps(order)
            if self.session.post(self.url, body).ok:
                return loads(body)
        raise LineDown("no answer after all of the retries")


# Twice as much.
async def double(order):
    return await order.times(2)
"###;
    assert_snapshot!(outline("client.py", text), @r###"
    imports import os; from json import (dumps, loads)
    1-4 module " Talks to the store.
    7-15 type Client | class Client(Base) " Sends orders. → strip
    13-15 method Client > url | def url(self) -> str → strip
    17-26 method Client > send | def send(self, order, retries=3) " Sends an order. /  / Tries again when the line is down. → range dumps post loads LineDown
    29-31 function double | async def double(order) " Twice as much. → times
    "###);
}

#[test]
fn ruby() {
    let text = r###"# frozen_string_literal: true

require "set"
require_relative "base"

module Shop
  # What somebody buys.
  class Order < Base
    include Comparable
    has_many :lines

    # The sum of all lines.
    def total(currency, rounding: :half_up)
      lines.map { |line| line.price(currency) }.sum.round(rounding)
    end

    def self.build = new
  end
end

RSpec.describe Shop::Order do
  it "adds the prices of all of its lines" do
    order = Shop::Order.new(lines: [line(1), line(2), line(3)])
    expect(order.total("EUR")).to eq(6)
    expect(order.total("EUR", rounding: :up)).to eq(6)
    expect(order.lines).to all(be_a(Line))
  end
end
"###;
    assert_snapshot!(outline("order.rb", text), @r###"
    imports require "set"; require_relative "base"
    1-4 module → require require_relative
    6-18 type Shop > Order | class Order < Base " What somebody buys. → include has_many map price sum round
    12-15 method Shop > Order > total | def total(currency, rounding: :half_up) " The sum of all lines. → map price sum round
    17-17 method Shop > Order > build | def self.build
    19-28 function Shop::Order > adds the prices of all of its lines | it "adds the prices of all of its lines" → describe it new line expect total to eq lines all be_a
    "###);
}

#[test]
fn rust() {
    let text = r###"//! What is sent together?
use std::fmt;

const MOST: usize = 8;

/// Some orders.
#[derive(Debug)]
pub struct Batch<T> {
    orders: Vec<T>,
}

impl<T> fmt::Display for Batch<T> {
    /// One a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for order in &self.orders {
            writeln!(f, "{}", order.name::<T>())?;
        }
        self.orders.iter().try_for_each(|order| order.check(MOST))
    }
}

pub trait Order {
    fn name(&self) -> String;
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_batch_is_shown() {
        assert_eq!(super::Batch::new().to_string(), "");
    }
}
"###;
    assert_snapshot!(outline("batch.rs", text), @r###"
    imports use std::fmt;
    1-4 module " What is sent together?
    6-10 type Batch | pub struct Batch<T> " Some orders.
    12-20 method Batch > fmt | fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result " One a line. → writeln iter try_for_each check
    22-24 type Order | pub trait Order
    26-32 function tests > a_batch_is_shown | fn a_batch_is_shown() → assert_eq
    "###);
}

#[test]
fn scala() {
    let text = r###"package shop

import scala.collection.{Seq, Map}

/** What somebody buys. */
case class Cart[T](lines: Seq[T]) extends Base {
  val limit = 10
  def total(rate: Int): Int = { this.prices(rate).map(round).sum }
}

object Cart { def empty: Cart[Int] = new Cart(Seq()) }

trait Priced { def price: Int }
"###;
    assert_snapshot!(outline("Cart.scala", text), @r###"
    imports import scala.collection.{Seq, Map}
    1-3 module
    5-9 type Cart | case class Cart[T](lines: Seq[T]) extends Base " What somebody buys. → prices map
    8-8 method Cart > total | def total(rate: Int): Int → prices map
    11-11 type Cart | object Cart → Cart Seq
    13-13 type Priced | trait Priced
    "###);
}

#[test]
fn sql() {
    let text = r###"-- People who buy.
CREATE TABLE shop.customers (
  id integer PRIMARY KEY,
  name text
);
CREATE FUNCTION tax(price int) RETURNS int AS $$ SELECT round(price * 0.2); $$ LANGUAGE sql;
CREATE VIEW best AS SELECT count(*) FROM shop.customers;
INSERT INTO shop.customers VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Edsger');
SELECT name, max(id) FROM shop.customers WHERE id > 1;
"###;
    assert_snapshot!(outline("schema.sql", text), @r###"
    1-5 type shop > customers | CREATE TABLE shop.customers " People who buy.
    6-6 function tax | CREATE FUNCTION tax(price int) RETURNS int → round
    7-7 type best | CREATE VIEW best AS → count
    8-9 module → max
    "###);
}

#[test]
fn swift() {
    let text = r###"import Foundation

/// What somebody buys.
@objc public class Cart<T>: Base, Priced {
    var lines = [T]()
    init(lines: [T]) { super.init() }
    func total(_ rate: Int) -> Int { self.prices(rate).reduce(0) }
}

struct Line { let price: Int }
protocol Priced { func price() -> Int }
extension Cart { func clear() { lines.removeAll() } }
func shop() -> Cart<Int> { Cart(lines: []).sorted() }
"###;
    assert_snapshot!(outline("Cart.swift", text), @r###"
    imports import Foundation
    1-8 type Cart | @objc public class Cart<T>: Base, Priced " What somebody buys. → init prices reduce
    6-6 method Cart > init | init(lines: [T]) → init
    7-7 method Cart > total | func total(_ rate: Int) -> Int → prices reduce
    10-10 type Line | struct Line
    11-11 type Priced | protocol Priced
    12-12 type Cart | extension Cart → removeAll
    13-13 function shop | func shop() -> Cart<Int> → Cart sorted
    "###);
}

#[test]
fn tsx() {
    let text = r###"import React from "react";

interface Props { label: string }

// A button.
export const Button: React.FC<Props> = React.memo(({ label }) => <button>{label}</button>);

export function Toolbar({ labels }: { labels: string[] }) {
  const onClick = useCallback(() => save(labels), [labels]);
  return <div onClick={onClick}>{labels.map((label) => <Button key={label} label={label} />)}</div>;
}
"###;
    assert_snapshot!(outline("button.tsx", text), @r###"
    imports import React from "react";
    1-1 module
    3-3 type Props | interface Props
    5-6 function Button | export const Button: React.FC<Props> = React.memo(({ label }) " A button. → memo
    8-11 function Toolbar | export function Toolbar({ labels }: { labels: string[] }) → useCallback save map
    "###);
}

#[test]
fn typescript() {
    let text = r###"import type { Point } from "./point";

export interface Shape<T> {
  /** In square meters. */
  area(): number;
}
export enum Color { Red, Green }
namespace Geometry {
  export function center(shape: Shape<number>): Point { return middle<Point>(shape); }
}
export abstract class Circle implements Shape<number> {
  constructor(private readonly radius: number) { super(); }
  @Memo() area(): number { return square(this.radius); }
}
export type Options = {
  color: Color;
  width: number;
  height: number;
  onClick: (event: MouseEvent) => void;
  onKey: (event: KeyboardEvent) => void;
  title?: string;
};
"###;
    assert_snapshot!(outline("shape.ts", text), @r###"
    imports import type { Point } from "./point";
    1-1 module
    3-6 type Shape | export interface Shape<T>
    7-7 type Color | export enum Color
    8-10 function Geometry > center | export function center(shape: Shape<number>): Point → middle
    11-14 type Circle | export abstract class Circle implements Shape<number> → super Memo square
    12-12 method Circle > constructor | constructor(private readonly radius: number) → super
    13-13 method Circle > area | area(): number → Memo square
    15-22 type Options | export type Options
    "###);
}

#[test]
fn yaml() {
    let text = r###"# What runs on a push.
name: ci
on: [push]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: make test
"###;
    assert_snapshot!(outline("ci.yml", text), @r#"1-8 module " What runs on a push."#);
}

#[test]
fn no_grammar() {
    let text = r###"one

two
"###;
    assert_snapshot!(outline("notes.unknown", text), @"1-3 window");
}
