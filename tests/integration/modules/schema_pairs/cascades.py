"""Chains of dependents over one change, and several changes at once."""

from __future__ import annotations

from .pair import Pair, change

ROWS = "INSERT INTO item VALUES (1, 'a', 5)"
LONG = """CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE >= 0);
CREATE TABLE item (id int PRIMARY KEY, mood mood, price price, made timestamp DEFAULT now());
CREATE TABLE part (id int PRIMARY KEY, item int REFERENCES item ON DELETE CASCADE);
CREATE VIEW a_priced AS SELECT i.id, i.mood, i.price FROM item i;
CREATE VIEW b_parts AS SELECT p.id, a.price FROM part p JOIN a_priced a ON a.id = p.item;
CREATE MATERIALIZED VIEW c_kept AS SELECT * FROM b_parts;
CREATE UNIQUE INDEX c_kept_id ON c_kept (id);
CREATE FUNCTION dear(a_priced) RETURNS boolean LANGUAGE sql AS 'SELECT $1.price > 5';
CREATE VIEW d_dear AS SELECT a.id FROM a_priced a WHERE dear(a);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF EXISTS (SELECT FROM d_dear) THEN RETURN NEW; END IF; RETURN NULL; END$$;
CREATE TRIGGER touched BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION touch();
CREATE POLICY seen ON item USING (price > 0 AND mood <> 'sad');
CREATE INDEX cheap ON item (price) WHERE price < 5;
CREATE STATISTICS related ON mood, price FROM item;
GRANT SELECT ON a_priced, c_kept TO corpus_reader;
COMMENT ON VIEW b_parts IS 'parts';
COMMENT ON COLUMN a_priced.price IS 'price'"""
LONG_ROWS = "INSERT INTO item VALUES (1, 'ok', 5.5), (2, 'ok', 1); INSERT INTO part VALUES (1, 1); REFRESH MATERIALIZED VIEW c_kept"
SHOP = """CREATE TABLE customer (id serial PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, name text);
CREATE TABLE product (id serial PRIMARY KEY, sku text NOT NULL UNIQUE, price numeric(8,2) NOT NULL, stock int NOT NULL DEFAULT 0);
CREATE TABLE "order" (id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, placed timestamptz NOT NULL DEFAULT now());
CREATE TABLE line (order_id int REFERENCES "order" ON DELETE CASCADE, product_id int REFERENCES product, quantity int NOT NULL CHECK (quantity > 0), PRIMARY KEY (order_id, product_id));
CREATE VIEW turnover AS SELECT o.customer_id, sum(l.quantity * p.price) AS total FROM "order" o JOIN line l ON l.order_id = o.id JOIN product p ON p.id = l.product_id GROUP BY o.customer_id"""
GROWN = """CREATE TYPE state AS ENUM ('open', 'paid', 'sent');
CREATE TABLE customer (id serial PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, name text, phone text, since timestamptz NOT NULL DEFAULT now());
CREATE TABLE category (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, parent int REFERENCES category);
CREATE TABLE product (id serial PRIMARY KEY, sku text NOT NULL UNIQUE, price numeric(8,2) NOT NULL CHECK (price >= 0), stock int NOT NULL DEFAULT 0, category_id int REFERENCES category);
CREATE INDEX product_category ON product (category_id);
CREATE TABLE "order" (id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, placed timestamptz NOT NULL DEFAULT now(), state state NOT NULL DEFAULT 'open');
CREATE INDEX order_open ON "order" (placed) WHERE state = 'open';
CREATE TABLE line (order_id int REFERENCES "order" ON DELETE CASCADE, product_id int REFERENCES product, quantity int NOT NULL CHECK (quantity > 0), PRIMARY KEY (order_id, product_id));
CREATE TABLE payment (id bigserial PRIMARY KEY, order_id int NOT NULL REFERENCES "order", amount numeric(8,2) NOT NULL, paid timestamptz NOT NULL DEFAULT now());
CREATE VIEW turnover AS SELECT o.customer_id, sum(l.quantity * p.price) AS total, count(DISTINCT o.id) AS orders FROM "order" o JOIN line l ON l.order_id = o.id JOIN product p ON p.id = l.product_id GROUP BY o.customer_id;
CREATE MATERIALIZED VIEW best AS SELECT c.name, t.total FROM customer c JOIN turnover t ON t.customer_id = c.id ORDER BY t.total DESC LIMIT 10;
CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE product SET stock = stock - NEW.quantity WHERE id = NEW.product_id; RETURN NEW; END$$;
CREATE TRIGGER taken AFTER INSERT ON line FOR EACH ROW EXECUTE FUNCTION take();
COMMENT ON TABLE category IS 'a tree'"""
SHOP_ROWS = """INSERT INTO customer (email, name) VALUES ('a@b.c', 'A'), ('d@e.f', NULL); INSERT INTO product (sku, price) VALUES ('x', 1.5), ('y', 2);
INSERT INTO "order" (customer_id) VALUES (1), (1), (2); INSERT INTO line VALUES (1, 1, 5), (2, 2, 1)"""

PAIRS: list[Pair] = [
    *change(
        "cascade: everything at once",
        "CREATE TABLE other (id int)",
        f"CREATE TABLE other (id int); {LONG}",
        "table item",
        "additive",
        back="hazard",
        rows="INSERT INTO other VALUES (1)",
    ),
    *change(
        "cascade: label of an enumeration",
        LONG,
        LONG.replace("('sad', 'ok')", "('sad', 'meh', 'ok')"),
        "mood",
        "additive",
        back="hazard",
        rows=LONG_ROWS,
    ),
    *change(
        "cascade: check of a domain",
        LONG,
        LONG.replace("VALUE >= 0", "VALUE >= 1"),
        "price",
        "repairable",
        back="repairable",
        rows=LONG_ROWS,
    ),
    *change(
        "cascade: type of a domain",
        LONG,
        LONG.replace("numeric(10,2)", "numeric(12,3)"),
        "price",
        "hazard",
        back="hazard",
        rows=LONG_ROWS,
    ),
    *change(
        "cascade: domain to plain type",
        LONG,
        LONG.replace("price price, made", "price numeric(10,2), made"),
        "column item.price",
        "repairable",
        back="repairable",
        rows=LONG_ROWS,
    ),
    *change(
        "cascade: column of the table",
        LONG,
        LONG.replace("made timestamp", "more int, made timestamp"),
        "column item.more",
        "additive",
        back="hazard",
        rows=LONG_ROWS.replace("item VALUES", "item (id, mood, price) VALUES"),
    ),
    *change(
        "cascade: type of the key",
        LONG,
        LONG.replace("id int PRIMARY KEY, mood", "id bigint PRIMARY KEY, mood").replace(
            "item int REF", "item bigint REF"
        ),
        "column item.id",
        "hazard",
        back="hazard",
        rows=LONG_ROWS,
    ),
    *change(
        "cascade: column of the first view",
        LONG,
        LONG.replace("i.price FROM item", "i.price, i.made FROM item"),
        "a_priced",
        rows=LONG_ROWS,
    ),
    *change(
        "cascade: query of the first view",
        LONG,
        LONG.replace("FROM item i;", "FROM item i WHERE i.id > 0;"),
        "a_priced",
        rows=LONG_ROWS,
    ),
    *change(
        "cascade: type in the first view",
        LONG,
        LONG.replace("i.price FROM item", "i.price::numeric AS price FROM item"),
        "a_priced",
        rows=LONG_ROWS,
    ),
    *change("cascade: function in the middle", LONG, LONG.replace("> 5'", "> 6'"), "dear", rows=LONG_ROWS),
    *change(
        "cascade: the domain dropped with its column",
        LONG,
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE item (id int PRIMARY KEY, mood mood, made timestamp DEFAULT now()); CREATE TABLE part (id int PRIMARY KEY, item int REFERENCES item ON DELETE CASCADE)",
        "price",
        "hazard",
        back="repairable",
        rows=LONG_ROWS,
    )[:1],
    *change("several: a shop grows", SHOP, GROWN, "table payment", "repairable", back="hazard", rows=SHOP_ROWS),
    *change(
        "several: a table dropped, one added, one altered",
        "CREATE TABLE item (id int PRIMARY KEY, name text, size int); CREATE TABLE old (id int REFERENCES item)",
        "CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, size bigint); CREATE TABLE new (id int REFERENCES item)",
        "table new",
        "hazard",
        back="hazard",
        rows=ROWS,
    ),
    *change(
        "several: two columns exchange their names",
        "CREATE TABLE item (id int, a int, b text)",
        "CREATE TABLE item (id int, b int, a text)",
        "column item.a",
        "hazard",
        back="hazard",
        rows="",
    ),
    *change(
        "several: a column moves to another table",
        "CREATE TABLE item (id int PRIMARY KEY, name text, size int); CREATE TABLE more (id int PRIMARY KEY)",
        "CREATE TABLE item (id int PRIMARY KEY, name text); CREATE TABLE more (id int PRIMARY KEY, size int)",
        "column more.size",
        "hazard",
        back="hazard",
    ),
    *change(
        "several: table, view and sequence exchange their names",
        "CREATE TABLE a (id int); CREATE VIEW b AS SELECT 1 AS one; CREATE SEQUENCE c",
        "CREATE TABLE b (id int); CREATE VIEW c AS SELECT 1 AS one; CREATE SEQUENCE a",
        "b",
        "hazard",
        back="hazard",
    ),
    *change("several: the whole schema gone", LONG, "", "table item", "hazard", back="additive", rows=""),
]
