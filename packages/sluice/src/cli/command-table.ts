/** Every command, as data: parsing, help, did-you-mean and docs/reference/cli.md are made from it. Functions are in `commands/<name>.ts`. */
import type { CommandSpec, OptionSpec } from './command-spec.ts'

/** Options that every command has. */
export const globalOptions = {
  folder: { kind: 'text', short: 'C', value: 'dir', default: '.', summary: "the project's folder" },
  env: {
    kind: 'text',
    short: 'e',
    value: 'name',
    summary: "one of the configuration's environments (also: SLUICE_ENV)",
  },
  json: { kind: 'flag', summary: 'machine-readable output: JSON, or one JSON object a line' },
  color: { kind: 'flag', negatable: true, summary: 'no colours (also: NO_COLOR, FORCE_COLOR)' },
  debug: { kind: 'flag', summary: 'print the stack of an error' },
  quiet: { kind: 'flag', short: 'q', summary: 'no progress and no notes' },
  input: { kind: 'flag', negatable: true, summary: 'never ask: a missing answer is an error' },
  yes: { kind: 'flag', short: 'y', summary: 'answer every question with yes' },
  help: { kind: 'flag', short: 'h', summary: 'help' },
  version: { kind: 'flag', short: 'V', summary: 'the version' },
} as const satisfies Record<string, OptionSpec>

const selection = {
  select: {
    kind: 'texts',
    short: 's',
    value: 'tables',
    summary: 'only these: stage.sales, +fact_sales, retail:*',
  },
  exclude: { kind: 'texts', value: 'tables', summary: 'all but these' },
  approve: {
    kind: 'texts',
    value: 'tables',
    summary: 'approve lossy or destructive schema changes of these; * for all',
  },
  force: { kind: 'flag', summary: 'run what is unchanged, too' },
} as const satisfies Record<string, OptionSpec>

const parameters = {
  parameter: {
    kind: 'values',
    short: 'p',
    value: 'name=value',
    summary: 'a parameter that a pipeline declares; <pipeline>.<name> where several do',
  },
} as const satisfies Record<string, OptionSpec>

const concurrency = {
  concurrency: { kind: 'number', value: 'n', summary: "tasks at a time; default: the project's" },
} as const satisfies Record<string, OptionSpec>

const format = {
  kind: 'text',
  choices: ['table', 'json', 'ndjson', 'csv'],
  summary: 'default: table on a terminal, ndjson in a pipe, by the ending with -o',
} as const satisfies OptionSpec

const output = { kind: 'text', short: 'o', value: 'file', summary: 'write to a file' } as const satisfies OptionSpec

/** All commands, in the order in which the help lists them. */
export const commandTable = {
  init: {
    group: 'Start',
    summary: 'make a project that runs',
    arguments: [{ name: 'dir', optional: true, summary: 'a new or empty folder; default: the present one' }],
    options: {
      template: {
        kind: 'text',
        choices: ['retail', 'file-drop', 'medallion', 'procedures', 'marketplace'],
        default: 'retail',
        summary: 'what it starts from',
      },
      package: {
        kind: 'text',
        value: 'name|path',
        summary: 'what npm installs as sluice: a name with or without a version, or a path; default: what is running',
      },
      force: { kind: 'flag', summary: 'write into a folder that is not empty' },
    },
    examples: ['sluice init my-pipeline --template retail', 'sluice init my-pipeline --package @acme/sluice@0.1.0'],
  },
  doctor: {
    group: 'Start',
    summary: 'check this machine and this project',
    options: {
      release: { kind: 'flag', summary: 'give up the lease of a run whose machine is gone; asks, and names the run' },
    },
    examples: ['sluice doctor', 'sluice doctor --release'],
  },

  check: {
    group: 'Author',
    summary: 'check the definition; nothing runs',
    details:
      'Lists every problem with its file, line and column. Exits with 2 when there is an error, and with 3 when only a server has one.',
    options: {
      strict: { kind: 'flag', summary: 'treat warnings as errors' },
      servers: { kind: 'flag', summary: 'ask the servers whose changes are captured, too' },
    },
    examples: ['sluice check', 'sluice check --servers'],
  },
  plan: {
    group: 'Author',
    summary: 'show what would run, and why',
    options: {
      ...selection,
      ...parameters,
      'exit-code': { kind: 'flag', summary: 'exit with 4 when there is something to run' },
    },
    examples: ['sluice plan', 'sluice plan --select +fact_sales --exit-code'],
  },
  render: {
    group: 'Author',
    summary: 'print the SQL of a table, or a state machine',
    details: 'A table (stage.sales) gives its SQL; the name of a state machine gives its Amazon States Language.',
    arguments: [{ name: 'name', optional: true, summary: 'a table or a state machine; without it, their names' }],
    examples: ['sluice render stage.sales', 'sluice render retail-raw'],
  },
  crawl: {
    group: 'Author',
    summary: "look at foreign files or at a server's procedures, and propose contracts",
    details:
      'Nothing is changed: the proposal, and its difference from the sources that are there, are yours to review. With --call the procedure runs; its rows are thrown away.',
    arguments: [
      { name: 'what', summary: "a file, a pattern in quotes, or a connection's name" },
      { name: 'procedure', optional: true, summary: 'of the connection; default: all that may be called' },
    ],
    options: {
      call: { kind: 'flag', summary: 'call the procedure to see its columns, where the server does not describe them' },
      parameter: { kind: 'values', value: 'name=value', summary: 'a parameter of the call; a name alone is NULL' },
    },
    examples: [
      "sluice crawl 'inbox/sales_*.csv'",
      'sluice crawl erp',
      'sluice crawl erp dbo.usp_sales --call --parameter year=2025',
    ],
  },

  run: {
    group: 'Run',
    summary: 'run what is new or changed',
    details:
      'With --json, one event a line. Ctrl-C once ends cleanly, twice at once; either way the next run continues.',
    options: { ...selection, ...parameters, ...concurrency },
    examples: ['sluice run', 'sluice run --select stage.sales --force', 'sluice run -p since=2026-02-01'],
  },
  watch: {
    group: 'Run',
    summary: 'run again and again: follow changes, and take what comes',
    details:
      'One line for each run that did something; one that finds nothing leaves no trace. Pauses grow while runs fail. With --json, one object a line. Ctrl-C ends it.',
    options: {
      every: { kind: 'text', value: 'time', default: '5s', summary: 'the pause between runs: 500ms, 5s, 2m' },
      select: selection.select,
      exclude: selection.exclude,
      ...parameters,
      ...concurrency,
    },
    examples: ['sluice watch', 'sluice watch --every 1m --select +fact_orders'],
  },
  cdc: {
    group: 'Run',
    summary: 'a log of changes by hand: how it stands, setup, drop, resnapshot, accept',
    details:
      'setup and drop print SQL, and run it with --yes. resnapshot compares whole tables with the log and adds what was missed, deletes included. accept takes a changed table as it is. status exits with 1 where somebody is needed.',
    arguments: [
      { name: 'action', optional: true, summary: 'status (default), setup, drop, resnapshot or accept' },
      { name: 'source', optional: true, summary: 'a source of changes; default: the only one' },
      { name: 'table', optional: true, summary: 'one of its tables, for resnapshot and accept: public.orders' },
    ],
    examples: [
      'sluice cdc',
      'sluice cdc setup shop',
      'sluice cdc setup shop --yes',
      'sluice cdc resnapshot shop public.orders',
      'sluice cdc accept shop public.orders',
    ],
  },
  retry: {
    group: 'Run',
    summary: 'run again what failed or was skipped',
    arguments: [{ name: 'run', optional: true, summary: 'a run; default: the last one' }],
    options: { approve: selection.approve, ...concurrency },
    examples: ['sluice retry'],
  },
  runs: {
    group: 'Run',
    summary: 'list runs, show one of them or its log, or cancel it',
    details:
      'cancel asks a run to end, in whatever processes its tasks are: each of them stops within seconds, and what is committed stays.',
    arguments: [
      { name: 'action', optional: true, summary: 'list (default), show, logs or cancel' },
      { name: 'run', optional: true, summary: 'a run; default: the last one' },
      { name: 'task', optional: true, summary: 'a task, for logs: ingest:raw.sales' },
    ],
    options: { limit: { kind: 'number', default: 20, value: 'n', summary: 'how many runs' } },
    examples: ['sluice runs', 'sluice runs show', 'sluice runs logs 20261120T154212Z-9f2c41aa ingest:raw.sales'],
  },
  task: {
    group: 'Run',
    hidden: true,
    summary: 'do what a state of a run asks for, from the ledger alone; the answer is JSON',
    arguments: [{ name: 'payload', summary: 'the payload of the state, as JSON' }],
    examples: [`sluice task '{"runId":"20261120T154212Z-9f2c41aa","fencingToken":7,"task":"ingest:raw.sales"}'`],
  },
  rollback: {
    group: 'Run',
    summary: 'make an earlier version of a table the current one',
    details: 'Makes a new version with the content of the earlier one; nothing is deleted.',
    arguments: [
      { name: 'table', summary: 'a table of the lake' },
      { name: 'version', summary: 'the version to go back to; see: sluice show <table> --versions' },
    ],
    examples: ['sluice rollback stage.sales 3 --yes'],
  },
  accept: {
    group: 'Run',
    summary: 'take a snapshot that is held because it has too few keys',
    details:
      'A history from daily files holds a file that looks truncated: it counts as if it had not come. Once accepted, it counts from the next load on. Without an instant, those that are held are listed.',
    arguments: [
      { name: 'table', optional: true, summary: 'a target of the warehouse: dim_price' },
      { name: 'instant', optional: true, summary: 'the date of the snapshot, as the warning says it' },
    ],
    examples: ['sluice accept', 'sluice accept dim_price 2026-03-02 --yes'],
  },
  clean: {
    group: 'Run',
    summary: 'remove what no kept version needs',
    details:
      'Versions beyond lake.retention, refused rows beyond its quarantineDays (default: they stay), files that no kept version names, and records of runs beyond runRetention that no kept version or newest load names.',
    options: { 'dry-run': { kind: 'flag', summary: 'only say what would be removed' } },
    examples: ['sluice clean --dry-run'],
  },

  query: {
    group: 'Look',
    summary: 'ask the lake and the warehouse, in SQL',
    details:
      'One statement that reads: lake tables as <layer>.<table>, loaded tables as warehouse.main.<table>, and system views in the schema sluice: runs, versions, checks, quarantine, files, inputs, extractions and loads.',
    arguments: [{ name: 'sql', optional: true, summary: 'the SQL; - reads it from stdin' }],
    options: {
      file: { kind: 'text', short: 'f', value: 'file', summary: 'read the SQL from a file' },
      limit: { kind: 'number', default: 1000, value: 'n', summary: 'at most so many rows' },
      all: { kind: 'flag', summary: 'every row, however many' },
      format,
      output,
      'spreadsheet-safe': {
        kind: 'flag',
        negatable: true,
        summary: 'in CSV, leave text as it is that a spreadsheet would run as a formula',
      },
    },
    examples: ['sluice query "SELECT count(*) FROM raw.sales"', 'sluice query -f report.sql --all -o report.csv'],
  },
  show: {
    group: 'Look',
    summary: 'look at rows of a table, or at its versions',
    arguments: [{ name: 'table', summary: 'a table of the lake or of the warehouse' }],
    options: {
      limit: { kind: 'number', default: 20, value: 'n', summary: 'at most so many rows' },
      version: { kind: 'number', value: 'n', summary: 'an earlier version' },
      versions: { kind: 'flag', summary: 'list the versions instead' },
      format,
    },
    examples: ['sluice show stage.sales', 'sluice show stage.sales --versions'],
  },
  catalog: {
    group: 'Look',
    summary: 'list tables, describe one, or write their Iceberg metadata again',
    details:
      'Each table of the lake is an Iceberg table, too: catalog <table> prints the address that other engines read. sync writes that metadata again: after the lake was moved, and over the commits of other writers.',
    arguments: [
      { name: 'action', optional: true, summary: 'a table to describe, or sync' },
      { name: 'table', optional: true, summary: 'for sync: a table; default: all' },
    ],
    examples: ['sluice catalog', 'sluice catalog raw.sales', 'sluice catalog sync'],
  },
  lineage: {
    group: 'Look',
    summary: 'where a table or column comes from and goes to',
    arguments: [{ name: 'name', summary: 'a table, or a column of it: stage.sales.quantity' }],
    options: {
      up: { kind: 'flag', summary: 'only where it comes from' },
      down: { kind: 'flag', summary: 'only where it goes to' },
      format: { kind: 'text', choices: ['tree', 'json', 'mermaid'], default: 'tree', summary: 'how it is drawn' },
    },
    examples: ['sluice lineage fact_sales --up', 'sluice lineage raw.sales.quantity --down'],
  },
  quality: {
    group: 'Look',
    summary: 'results of checks',
    arguments: [{ name: 'table', optional: true, summary: 'a table; default: all' }],
    examples: ['sluice quality stage.sales'],
  },
  quarantine: {
    group: 'Look',
    summary: 'rows that were refused: show, export, replay or dismiss them',
    details:
      'export writes the original bytes, with -o one file for each that was delivered; replay reads them again through the definition as it is now; dismiss removes them, all of a table or those of one --version.',
    arguments: [
      { name: 'action', optional: true, summary: 'show (default), export, replay or dismiss' },
      { name: 'table', optional: true, summary: 'a table; default: all' },
    ],
    options: {
      limit: { kind: 'number', default: 5, value: 'n', summary: 'samples for each table' },
      output,
      version: { kind: 'number', value: 'n', summary: 'dismiss: only what this version refused' },
    },
    examples: [
      'sluice quarantine raw.sales',
      'sluice quarantine export raw.sales -o refused',
      'sluice quarantine replay raw.sales',
      'sluice quarantine dismiss raw.sales --version 3 --yes',
    ],
  },

  explain: {
    group: 'Help',
    summary: 'explain an error: its reasons and what to do',
    arguments: [{ name: 'error', optional: true, summary: 'a number or a name; without it, all of them' }],
    examples: ['sluice explain SLU1002'],
  },
  config: {
    group: 'Help',
    summary: 'print the configuration with all defaults; secrets are masked',
    options: { resolved: { kind: 'flag', summary: 'each value with where it came from; secrets by name only' } },
    examples: ['sluice config', 'sluice config --resolved --env prod'],
  },
} as const satisfies Record<string, CommandSpec>
