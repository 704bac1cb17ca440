// Which part of GitHub's own description does the fake forge hold its traffic to?
//
// Run by hand when the description is to be renewed:
//   npm pack @octokit/openapi@23 @octokit/openapi-webhooks@12 @octokit/graphql-schema@15
//   (unpack each into FOLDER/openapi, FOLDER/openapi-webhooks, FOLDER/graphql-schema)
//   node scripts/refresh-contract.mjs FOLDER
// Writes tests/forge/contract/{github.json,schema.graphql,NOTICE.md} and prints their SHA-256.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";

const OPERATIONS = `
  meta/root meta/get rate-limit/get users/get-authenticated users/get-by-username
  apps/get-authenticated apps/create-from-manifest apps/list-webhook-deliveries apps/get-webhook-delivery
  apps/redeliver-webhook-delivery apps/list-installations apps/get-installation
  apps/create-installation-access-token apps/list-repos-accessible-to-installation apps/get-repo-installation
  apps/get-webhook-config-for-app apps/revoke-installation-access-token
  repos/get repos/get-branch repos/get-commit repos/list-commits repos/compare-commits-with-basehead
  repos/get-content repos/get-collaborator-permission-level
  pulls/list pulls/create pulls/get pulls/update pulls/merge pulls/check-if-merged pulls/list-files pulls/list-commits
  pulls/list-reviews pulls/create-review pulls/get-review pulls/update-review pulls/submit-review
  pulls/delete-pending-review pulls/dismiss-review pulls/list-comments-for-review
  pulls/list-review-comments pulls/list-review-comments-for-repo pulls/create-review-comment
  pulls/create-reply-for-review-comment pulls/get-review-comment pulls/update-review-comment
  pulls/delete-review-comment
  issues/list-comments issues/list-comments-for-repo issues/create-comment issues/get-comment
  issues/update-comment issues/delete-comment
  reactions/list-for-issue-comment reactions/create-for-issue-comment reactions/delete-for-issue-comment
  reactions/list-for-pull-request-review-comment reactions/create-for-pull-request-review-comment
  reactions/delete-for-pull-request-comment
  checks/create checks/get checks/update checks/list-annotations checks/list-for-ref
  git/get-ref git/create-ref git/update-ref git/delete-ref git/get-commit
  code-scanning/upload-sarif code-scanning/get-sarif
  actions/get-workflow-run actions/list-workflow-run-artifacts actions/download-artifact
`.trim().split(/\s+/);

const WEBHOOKS = new RegExp("^(ping|push|pull-request/(opened|reopened|ready-for-review|synchronize|closed|edited"
  + "|converted-to-draft)|pull-request-review/.*|pull-request-review-comment/.*|pull-request-review-thread/.*"
  + "|issue-comment/.*|check-run/rerequested|check-suite/rerequested|installation/.*|installation-repositories/.*"
  + "|workflow-run/completed)$");

// Where GitHub's answers are known to differ from its description: `[component, property]` that may be null.
// An outdated review comment has no place in the diff any more; GitHub sends null for it.
const NULL_TOO = [["pull-request-review-comment", "position"], ["pull-request-review-comment", "line"],
  ["review-comment", "line"]];

const PROSE = new Set(["description", "title", "externalDocs", "example", "examples", "deprecated", "readOnly",
  "writeOnly", "discriminator", "xml", "default", "nullable"]);

const read = path => JSON.parse(readFileSync(path, "utf8"));
const sorted = v => Array.isArray(v) ? v.map(sorted)
  : v && typeof v === "object" ? Object.fromEntries(Object.keys(v).sort().map(k => [k, sorted(v[k])])) : v;
const text = v => JSON.stringify(sorted(v));

/** An OpenAPI schema as JSON Schema: prose dropped, `nullable` turned into a null type. */
function schema(s) {
  if (typeof s !== "object" || s === null) return s;
  if (s.$ref) return s.nullable ? { anyOf: [{ $ref: s.$ref }, { type: "null" }] } : { $ref: s.$ref };
  const out = {};
  for (const [key, value] of Object.entries(s)) {
    if (PROSE.has(key) || key.startsWith("x-")) continue;
    out[key] = keyword(key, value);
  }
  return s.nullable ? nullable(out) : out;
}

function keyword(key, value) {
  if (["properties", "patternProperties"].includes(key)) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, schema(v)]));
  }
  if (["oneOf", "anyOf", "allOf"].includes(key)) return value.map(schema);
  if (["items", "additionalProperties", "not"].includes(key)) return schema(value);
  return value;
}

function nullable(s) {
  if (s.enum && !s.enum.includes(null)) s.enum = [...s.enum, null];
  if (s.type) return { ...s, type: [...new Set([s.type, "null"].flat())] };
  if (s.anyOf) return { ...s, anyOf: [...s.anyOf, { type: "null" }] };
  if (s.oneOf) return { ...s, oneOf: [...s.oneOf, { type: "null" }] };
  return s.allOf ? { anyOf: [s, { type: "null" }] } : s;
}

/** A request body that refuses what it does not name: the description leaves misspelt fields free. */
function closed(s, resolve, branch = false) {
  if (s.$ref) return closed(resolve(s.$ref), resolve, branch);
  const out = { ...s };
  if (out.properties) {
    out.properties = Object.fromEntries(
      Object.entries(out.properties).map(([k, v]) => [k, closed(v, resolve)]));
  }
  const own = Boolean(out.properties) || branch;
  for (const key of ["oneOf", "anyOf", "allOf"]) {
    if (!out[key]) continue;
    out[key] = out[key].map(part => closed(part, resolve, own));
    if (out.properties) for (const part of out[key]) {
      for (const name of Object.keys(part.properties ?? {})) out.properties[name] ??= {};
    }
  }
  if (out.items) out.items = closed(out.items, resolve);
  if (out.properties && out.additionalProperties === undefined && !branch) out.additionalProperties = false;
  return out;
}

function references(value, found = new Set()) {
  if (Array.isArray(value)) value.forEach(v => references(v, found));
  else if (value && typeof value === "object") {
    if (typeof value.$ref === "string") found.add(value.$ref.split("/").pop());
    Object.values(value).forEach(v => references(v, found));
  }
  return found;
}

function renamed(value, names) {
  if (Array.isArray(value)) return value.map(v => renamed(v, names));
  if (!value || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => {
    if (k !== "$ref" || typeof v !== "string") return [k, renamed(v, names)];
    const name = v.split("/").pop();
    return [k, `#/components/${names.has(name) ? `hook-${name}` : name}`];
  }));
}

const folder = process.argv[2];
if (!folder) throw new Error("which folder holds openapi, openapi-webhooks and graphql-schema?");
const rest = read(join(folder, "openapi/generated/api.github.com.json"));
const hooks = read(join(folder, "openapi-webhooks/generated/api.github.com.json"));
const version = name => read(join(folder, name, "package.json")).version;
const pointer = (root, ref) => ref.slice(2).split("/").reduce((at, key) => at[key], root);
const follow = (root, v) => v?.$ref ? follow(root, pointer(root, v.$ref)) : v;

const restSchemas = Object.fromEntries(
  Object.entries(rest.components.schemas).map(([k, v]) => [k, schema(v)]));
const hookSchemas = Object.fromEntries(
  Object.entries(hooks.components.schemas).map(([k, v]) => [k, schema(v)]));

for (const [name, property] of NULL_TOO) {
  const at = restSchemas[name].properties[property];
  at.type = [...new Set([at.type, "null"].flat())];
}

// A name that means the same in both packages is kept once; one that differs, or leads to one that does, is prefixed.
const apart = new Set(Object.keys(hookSchemas).filter(k => text(hookSchemas[k]) !== text(restSchemas[k] ?? null)));
for (let size = -1; size !== apart.size;) {
  size = apart.size;
  for (const [k, v] of Object.entries(hookSchemas)) {
    if ([...references(v)].some(r => apart.has(r))) apart.add(k);
  }
}
const none = new Set();
const pool = {};
for (const [k, v] of Object.entries(restSchemas)) pool[k] = renamed(v, none);
for (const k of apart) pool[`hook-${k}`] = renamed(hookSchemas[k], apart);
const inPool = ref => pool[ref.split("/").pop()];

function contents(container, make) {
  return Object.fromEntries(Object.entries(container?.content ?? {}).map(([type, c]) => [type, make(c)]));
}

function operation(method, path, o, shared) {
  const parameters = [...shared, ...(o.parameters ?? [])].map(p => follow(rest, p)).map(p => ({
    name: p.name, in: p.in, required: Boolean(p.required), schema: renamed(schema(p.schema), none),
  }));
  const request = follow(rest, o.requestBody);
  const body = request && { required: Boolean(request.required),
    content: contents(request, c => closed(renamed(schema(c.schema), none), inPool)) };
  let example;
  const responses = Object.fromEntries(Object.entries(o.responses).map(([status, raw]) => {
    const response = follow(rest, raw);
    if (status[0] === "2" && example === undefined) {
      const first = Object.values(response.content ?? {})[0];
      example = follow(rest, Object.values(first?.examples ?? {})[0])?.value;
    }
    return [status, contents(response, c => renamed(schema(c.schema ?? {}), none))];
  }));
  return { method: method.toUpperCase(), path, parameters, body, responses, example };
}

const operations = {};
for (const [path, methods] of Object.entries(rest.paths)) {
  for (const [method, o] of Object.entries(methods)) {
    if (!OPERATIONS.includes(o.operationId)) continue;
    operations[o.operationId] = operation(method, path, o, methods.parameters ?? []);
  }
}
const missing = OPERATIONS.filter(o => !operations[o]);
if (missing.length) throw new Error(`not in the description: ${missing}`);

const webhooks = {};
for (const { post } of Object.values(hooks.webhooks)) {
  if (!WEBHOOKS.test(post.operationId)) continue;
  const name = post.operationId.replaceAll("-", "_").replace("/", ".");
  webhooks[name] = renamed(schema(post.requestBody.content["application/json"].schema), apart);
}

const components = {};
const queue = [...references([operations, webhooks])];
while (queue.length) {
  const name = queue.pop();
  if (components[name]) continue;
  if (!pool[name]) throw new Error(`no schema \`${name}\``);
  components[name] = pool[name];
  queue.push(...references(pool[name]));
}
hoist();

/** Webhook payloads spell the same objects out inline; each that is long and occurs twice is written once. */
function hoist() {
  const seen = new Map();
  // A map of properties may well have one named `type`; there it is an object.
  const isSchema = v => typeof v.type === "string" || Array.isArray(v.type) || Array.isArray(v.anyOf);
  const count = value => {
    if (!value || typeof value !== "object") return;
    Object.values(value).forEach(count);
    if (isSchema(value)) {
      const key = text(value);
      if (key.length > 300) seen.set(key, (seen.get(key) ?? 0) + 1);
    }
  };
  const schemas = [components, webhooks, Object.values(operations).map(o => o.responses)];
  schemas.forEach(count);
  const names = new Map();
  const swap = (value, top) => {
    if (!value || typeof value !== "object") return value;
    const key = !top && isSchema(value) ? text(value) : "";
    const inner = Array.isArray(value) ? value.map(v => swap(v))
      : Object.fromEntries(Object.entries(value).map(([k, v]) => [k, swap(v)]));
    if (!(seen.get(key) > 1)) return inner;
    if (!names.has(key)) {
      names.set(key, `shared-${names.size + 1}`);
      extra[names.get(key)] = inner;
    }
    return { $ref: `#/components/${names.get(key)}` };
  };
  const extra = {};
  for (const k of Object.keys(components)) components[k] = swap(components[k], true);
  for (const k of Object.keys(webhooks)) webhooks[k] = swap(webhooks[k], true);
  for (const o of Object.values(operations)) o.responses = swap(o.responses, true);
  Object.assign(components, extra);
}

/** The GraphQL schema without descriptions, and without the fields it declares twice (which no parser accepts). */
function graphql(source) {
  const bare = source.replace(/^[ \t]*"""[\s\S]*?"""\n/gm, "").replace(/^[ \t]*"[^"\n]*"[ \t]*\n/gm, "");
  const blocks = bare.split(/\n(?=(?:type|interface|input|enum|union|scalar|directive|schema|extend)\b)/);
  return blocks.map(block => {
    const seen = new Set();
    return block.split(/\n(?=  \w)/).filter(field => {
      const name = /^  (\w+)/.exec(field)?.[1];
      if (!name || !seen.has(name)) return seen.add(name), true;
      return console.error(`dropped a second \`${name}\` of ${block.trim().split("\n")[0]}`), false;
    }).join("\n");
  }).join("\n").replace(/\n\s*\n+/g, "\n").replace(/^ *\n/gm, "") + "\n";
}

const versions = { "@octokit/openapi": version("openapi"), "@octokit/openapi-webhooks": version("openapi-webhooks"),
  "@octokit/graphql-schema": version("graphql-schema") };
const licence = "MIT; see NOTICE.md";
const out = "tests/forge/contract";
mkdirSync(out, { recursive: true });
const files = {
  "github.json": JSON.stringify(sorted({ versions, licence, operations, webhooks, components })) + "\n",
  "schema.graphql": graphql(readFileSync(join(folder, "graphql-schema/schema.graphql"), "utf8")),
};
const sums = Object.entries(files).map(([name, content]) => {
  writeFileSync(join(out, name), content);
  const sum = createHash("sha256").update(content).digest("hex");
  console.log(`${sum}  ${name}  ${content.length} bytes`);
  return `${sum}  ${name}`;
});
const mit = readFileSync(join(folder, "openapi/LICENSE"), "utf8").trim();
const hooksMit = readFileSync(join(folder, "openapi-webhooks/LICENSE"), "utf8").trim();
const graphqlMit = readFileSync(join(folder, "graphql-schema/LICENSE.md"), "utf8").trim();
writeFileSync(join(out, "NOTICE.md"), `# Where these files come from

GitHub's published descriptions of its interfaces, taken from the npm packages below by
\`scripts/refresh-contract.mjs\`, pruned to what a review bot uses. Changed in this: prose and most examples dropped,
\`nullable\` written as a JSON Schema type, \`additionalProperties: false\` added to request bodies, repeated parts
written once; in the GraphQL schema, descriptions and fields declared twice are dropped. Where GitHub is known to answer otherwise than it
describes, the script's \`NULL_TOO\` says so: ${NULL_TOO.map(n => `\`${n.join(".")}\``).join(", ")} may be null.

${Object.entries(versions).map(([k, v]) => `- ${k} ${v}`).join("\n")}

SHA-256:

\`\`\`text
${sums.join("\n")}
\`\`\`

## @octokit/openapi

${mit}

## @octokit/openapi-webhooks

${hooksMit}

## @octokit/graphql-schema

${graphqlMit}
`);
