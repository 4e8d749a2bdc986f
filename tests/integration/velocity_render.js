// Turns mapping templates and what came into what API Gateway makes of it, by velocityjs.
// Never knows a template: lines of JSON come by stdin ({template, body, parameters}), one of {text, status} each goes out.
// Rules: API Gateway Developer Guide, "Mapping template reference": $input, $util, $context.responseOverride; a text is
// Java's, with contains() and replaceAll() by regular expression.
'use strict';
const { render } = require(require.resolve('velocityjs', { paths: [process.argv[2]] }));

const JAVA_TEXT = {
  contains: (text, part) => text.includes(part),
  replaceAll: (text, pattern, other) => text.replace(new RegExp(pattern, 'g'), () => other),
};
const handler = {
  uid: 'java.lang.String',
  match: ({ property, context }) => typeof context === 'string' && property in JAVA_TEXT,
  resolve: ({ property, context, params }) => JAVA_TEXT[property](context, ...params),
};

// Java's print of what is no text: a map as {a=1}.
const printed = (value) =>
  typeof value !== 'object' || value === null
    ? String(value)
    : Array.isArray(value)
      ? `[${value.map(printed).join(', ')}]`
      : `{${Object.entries(value).map(([key, item]) => `${key}=${printed(item)}`).join(', ')}}`;

// Apache Commons Lang 2: quotes of both kinds, backslash and slash, control and other bytes than ASCII.
const NAMED = { '\b': '\\b', '\n': '\\n', '\t': '\\t', '\f': '\\f', '\r': '\\r' };
const escaped = (text) =>
  text.replace(/["'\\/]|[^ -~]/g, (unit) =>
    /["'\\/]/.test(unit) ? `\\${unit}` : NAMED[unit] || `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`);

const found = (body, path) =>
  path.split('.').slice(1).reduce((at, name) => (at === undefined || at === null ? undefined : at[name]), body.trim() ? JSON.parse(body) : {});

const made = ({ template, body, parameters }) => {
  const context = { responseOverride: {} };
  const input = {
    body,
    params: (name) => parameters[name] ?? '',
    json: (path) => JSON.stringify(found(body, path)) ?? '""',
    path: (path) => found(body, path) ?? '',
  };
  const util = {
    base64Encode: (value) => Buffer.from(printed(value)).toString('base64'),
    escapeJavaScript: (value) => escaped(printed(value)),
  };
  const text = render(template, { input, util, context }, {}, { escape: false, customMethodHandlers: [handler] });
  return { text, status: context.responseOverride.status ?? null };
};

const lines = require('fs').readFileSync(0, 'utf8').split('\n').filter(Boolean);
for (const line of lines) {
  process.stdout.write(`${JSON.stringify(made(JSON.parse(line)))}\n`);
}
