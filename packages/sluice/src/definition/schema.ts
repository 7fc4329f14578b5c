/**
 * The one description of what may be written, for TypeScript, JSON and YAML alike: zod schemas of the shapes in `input.ts`.
 *
 * They only say what is legal; defaults are filled in by `resolve.ts`, so the published JSON Schema is made from exactly these.
 */
import { z } from 'zod'
import { simpleTypes } from './columns.ts'
import { checkMisfits, columnMisfits, csvMisfits, type Misfit, procedureMisfits } from './consistency.ts'
import { isStart, procedureNameRule } from './procedure-rules.ts'
import { isCron, isZone } from './schedule.ts'

/** An object that refuses unknown keys, and says which it knows. */
export function strict<S extends z.ZodRawShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(',') : undefined),
  })
}

/** Adds what {@link Misfit}s a value has to what is wrong with it. */
function consistent<S extends z.ZodType>(schema: S, misfits: (value: never) => readonly Misfit[]): S {
  return schema.superRefine((value, context) => {
    for (const { key, expected } of misfits(value as never))
      context.addIssue({ code: 'custom', path: [key], message: expected, input: value })
  })
}

const text = z.string().min(1)
const name = text.max(128)
const count = z.int().min(0)
const share = z.number().min(0).max(1)
const amount = z.union([z.number(), z.string().regex(/^[-+]?\d+(\.\d+)?$/, 'a decimal number')])
const bound = z.union([z.number(), text])
const columns = z.array(name).min(1)
const keyColumns = z.union([name, columns])

const secretReference = strict({ $secret: name }).meta({ description: 'A secret, by its name' })
const envReference = strict({ $env: name, default: z.string().optional() }).meta({
  description: 'An environment variable, by its name',
})
const reference = z.union([secretReference, envReference])
const textOrReference = z.union([text, secretReference, envReference])

const decimalPattern = /^decimal\(\s*([1-9]|[12]\d|3[0-8])\s*,\s*(\d|[12]\d|3[0-8])\s*\)$/

/** Every column type; for messages and suggestions. */
export const columnTypes: readonly string[] = [...simpleTypes, 'decimal(p,s)']

const columnType = z
  .union([
    z.enum(simpleTypes as [string, ...string[]]),
    z
      .string()
      .regex(decimalPattern, { error: 'decimal(p,s) with 1 ≤ p ≤ 38 and 0 ≤ s ≤ p', abort: true })
      .meta({ description: 'decimal(p,s), 1 ≤ p ≤ 38, 0 ≤ s ≤ p' }),
  ])
  .refine((type) => {
    const parts = decimalPattern.exec(type)
    return parts === null || Number(parts[2]) <= Number(parts[1])
  }, 'decimal(p,s) with 1 ≤ p ≤ 38 and 0 ≤ s ≤ p')

const columnShape = {
  type: columnType.meta({ description: 'The column type' }),
  nullable: z.boolean().optional(),
  from: name.optional().meta({ description: "The column's name in the file, where it differs" }),
  nulls: z.array(z.string()).optional().meta({ description: 'Texts that mean NULL, exactly as written' }),
  format: text.optional().meta({ description: 'The one accepted pattern of dates and times' }),
  zone: z.string().refine(isZone, 'an IANA zone such as Europe/London').optional(),
  overlap: z.enum(['reject', 'earlier', 'later']).optional(),
  trueValues: z.array(z.string()).min(1).optional(),
  falseValues: z.array(z.string()).min(1).optional(),
  decimalSeparator: z.string().length(1).optional(),
  groupSeparator: z.string().length(1).optional(),
  trim: z.boolean().optional(),
  encoding: z.enum(['hex', 'base64']).optional(),
  description: z.string().optional(),
}

const columnInput = z.union([columnType, consistent(strict(columnShape), columnMisfits)]).meta({ id: 'Column' })

const resultColumn = strict({
  ...columnShape,
  serverType: text.optional().meta({ description: 'The type as the server declares it: datetime2(7)' }),
})
const resultColumnInput = z.union([columnType, consistent(resultColumn, columnMisfits)]).meta({ id: 'ResultColumn' })

const checkOptions = {
  name: name.optional(),
  severity: z.enum(['warn', 'error']).optional(),
  action: z.enum(['quarantine', 'stop']).optional(),
  maxShare: share.optional(),
  maxCount: count.optional(),
}
const bounds = { min: bound.optional(), max: bound.optional() }
const countBounds = { min: count.optional(), max: count.optional() }

/** A check of one kind. */
function check<K extends string, S extends z.ZodRawShape>(kind: K, shape: S) {
  return strict({ kind: z.literal(kind), ...shape, ...checkOptions })
}

const checkInput = consistent(
  z.discriminatedUnion('kind', [
    check('notNull', { column: name }),
    check('unique', { columns }),
    check('range', { column: name, ...bounds }),
    check('length', { column: name, ...countBounds }),
    check('pattern', { column: name, pattern: text }),
    check('oneOf', { column: name, values: z.array(z.union([z.string(), z.number()])).min(1) }),
    check('format', { column: name, format: z.enum(['email', 'url', 'uuid', 'ipv4', 'date', 'digits']) }),
    check('row', { sql: text }),
    check('rowCount', countBounds),
    check('freshness', { column: name, maxAgeHours: z.number().positive() }),
    check('grain', { columns }),
    check('reference', { columns, to: name, toColumns: columns }),
    check('reconcile', { sql: text, with: name, tolerance: amount.optional() }),
    check('sum', { column: name, ...bounds }),
  ]),
  checkMisfits,
).meta({ id: 'Check' })

const extraColumns = z.enum(['reject', 'ignore']).optional()
const compression = z.enum(['none', 'gzip']).optional()
const format = z.union([
  z.enum(['csv', 'jsonl', 'parquet']),
  z.discriminatedUnion('kind', [
    consistent(
      strict({
        kind: z.literal('csv'),
        delimiter: text.optional(),
        quote: z.string().max(1).optional(),
        escape: z.string().length(1).optional(),
        recordEnd: text.optional(),
        header: z.boolean().optional(),
        encoding: z
          .enum(['utf-8', 'utf-16le', 'utf-16be', 'windows-1252', 'latin1', 'windows-1254', 'iso-8859-9'])
          .optional(),
        ragged: z.enum(['reject', 'pad']).optional(),
        extraColumns,
        compression,
      }),
      csvMisfits,
    ),
    strict({ kind: z.literal('jsonl'), extraColumns, compression }),
    strict({ kind: z.literal('parquet'), extraColumns }),
  ]),
])

const belowProject = text.refine(
  (path) => !/^([/\\]|[A-Za-z]:|~)/.test(path) && !path.split(/[/\\]/).includes('..') && !path.includes('\0'),
  'a path below the project, without ".."',
)

const quarantine = strict({ maxShare: share.optional(), maxRows: count.optional() }).optional()
const rowCount = strict({
  ...countBounds,
  minShareOfPrevious: z.number().min(0).optional(),
  maxShareOfPrevious: z.number().min(0).optional(),
}).optional()
const timeoutSeconds = z.int().min(1).max(86_400).optional()

const identifier = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'letters, digits and _, at most 63, not starting with a digit')

const zone = z.string().refine(isZone, 'an IANA zone such as Europe/London')
const constant = z.union([
  z.string(),
  z
    .number()
    .refine(
      (value) => !Number.isInteger(value) || Number.isSafeInteger(value),
      'a number that JavaScript holds exactly; beyond, a text with its type',
    ),
  z.boolean(),
  z.null(),
])
const parameterValue = z.union([
  constant,
  strict({ value: constant, type: columnType }),
  strict({ $runDate: strict({ zone: zone.optional() }) }),
  strict({ $window: z.enum(['from', 'to']) }),
  strict({ $each: strict({ table: name, column: name, type: columnType.optional(), as: identifier.optional() }) }),
])
const parameterName = z
  .string()
  .regex(/^[\p{L}_#][\p{L}\p{N}_#$]{0,126}$/u, 'letters, digits and _, without @, at most 127')

const procedure = strict({
  kind: z.literal('procedure'),
  connection: name.meta({ description: "The connection's name in sluice.config" }),
  procedure: z
    .string()
    .superRefine((value, context) => {
      const expected = procedureNameRule(value)
      if (expected !== undefined) context.addIssue({ code: 'custom', message: expected, input: value })
    })
    .meta({ description: 'As the server knows it, without quotes: dbo.usp_customers' }),
  parameters: z.record(parameterName, parameterValue).optional().meta({ description: 'By name, without @' }),
  columns: z.record(name, resultColumnInput).refine((value) => Object.keys(value).length > 0, 'at least one column'),
  resultSet: z.int().min(1).max(1000).optional().meta({ description: 'Which result set is taken. Default: 1' }),
  evolve: z.enum(['none', 'additive', 'widening']).optional(),
  mode: z.enum(['replace', 'append', 'merge']).optional(),
  key: keyColumns.optional(),
  window: strict({
    start: z.string().refine(isStart, 'a date or a local time in ISO 8601, such as 2024-01-31 or 2024-01-31 18:00:00'),
    zone: zone.optional(),
    overlapSeconds: count.optional(),
    lagSeconds: count.optional(),
  }).optional(),
  output: z
    .record(
      parameterName,
      strict({ type: columnType, equals: z.union([z.string(), z.number(), z.boolean()]).optional() }),
    )
    .optional(),
  returnCodes: z.union([z.array(z.int()).min(1), z.literal('any')]).optional(),
  messages: z.enum(['record', 'fail']).optional(),
  rowCount,
  checks: z.array(checkInput).optional(),
  quarantine,
  timeoutSeconds,
  description: z.string().optional(),
})

const source = z.discriminatedUnion('kind', [
  consistent(procedure, procedureMisfits),
  strict({
    kind: z.literal('files'),
    path: belowProject.meta({ description: 'Below the project, with * and ? in its last part and ** for folders' }),
    columns: z.record(name, columnInput).refine((value) => Object.keys(value).length > 0, 'at least one column'),
    format: format.optional(),
    mode: z.enum(['append', 'replace']).optional(),
    fileDate: z
      .string()
      .regex(/^(?=.*yy)[^/\\*?]+$/, 'a pattern with the letters yyyy, MM and dd, such as yyyy-MM-dd')
      .optional()
      .meta({ description: "The business date in the file's name, like yyyy-MM-dd" }),
    rowNumbers: z.boolean().optional(),
    checks: z.array(checkInput).optional(),
    quarantine,
    duplicateContent: z.enum(['skip', 'error', 'append']).optional(),
    changedContent: z.enum(['append', 'error']).optional(),
    key: strict({ columns, keep: z.union([z.literal('none'), strict({ lastBy: name })]) }).optional(),
    rowCount,
    archive: z.union([belowProject, z.literal(false)]).optional(),
    error: belowProject.optional(),
    ready: strict({ stableSeconds: z.number().min(0).optional(), marker: text.optional() }).optional(),
    limits: strict({
      maxBytes: z.int().positive().optional(),
      maxRatio: z.number().positive().optional(),
      maxRecordBytes: z.int().positive().optional(),
      maxFieldBytes: z.int().positive().optional(),
    }).optional(),
    description: z.string().optional(),
  }),
])

const retention = strict({ versions: z.int().min(1).optional(), days: z.number().min(0).optional() })

const tableOptions = strict({
  copy: z
    .string()
    .regex(/^[A-Za-z_]\w*\.[A-Za-z_]\w*$/, 'the full name of a table, <layer>.<table>')
    .optional()
    .meta({ description: 'The table is a copy of the latest version of another: <layer>.<table>' }),
  partitionBy: z
    .discriminatedUnion('kind', [
      strict({ kind: z.literal('value'), column: name }),
      strict({ kind: z.literal('yearMonth'), column: name }),
    ])
    .optional(),
  checks: z.array(checkInput).optional(),
  description: z.string().optional(),
  drops: strict({ from: name, why: text }).optional(),
  retention: retention.optional(),
  timeoutSeconds,
})

const loadOptions = {
  from: name.meta({ description: 'The lake table that is loaded: <layer>.<table>' }),
  distribute: name.optional(),
  sort: columns.optional(),
  description: z.string().optional(),
  timeoutSeconds,
}
const deletes = z.union([z.literal('absence'), strict({ column: name, value: z.string() })]).optional()
const load = z.discriminatedUnion('mode', [
  strict({ mode: z.literal('replace'), ...loadOptions }),
  strict({ mode: z.literal('incremental'), ...loadOptions, by: name }),
  strict({ mode: z.literal('append'), ...loadOptions, batch: name.optional() }),
  strict({ mode: z.literal('upsert'), ...loadOptions, key: keyColumns, deletes }),
  strict({
    mode: z.literal('scd2'),
    ...loadOptions,
    key: keyColumns,
    track: columns.optional(),
    effective: name.optional(),
    sequence: name.optional(),
    deletes,
    late: z.enum(['history', 'reject']).optional(),
    columns: strict({
      effective: name.optional(),
      expiry: name.optional(),
      current: name.optional(),
      surrogate: name.optional(),
    }).optional(),
  }),
])

const notifierOptions = {
  on: z.enum(['success', 'failure', 'always']).optional(),
  each: z.enum(['run', 'task']).optional(),
}
const notifier = z.discriminatedUnion('kind', [
  strict({ kind: z.literal('console'), ...notifierOptions }),
  strict({ kind: z.literal('outbox'), path: belowProject, ...notifierOptions }),
  strict({
    kind: z.literal('webhook'),
    url: z.union([
      z.string().regex(/^https?:\/\//, { error: 'an http or https address', abort: true }),
      secretReference,
      envReference,
    ]),
    secret: reference.optional(),
    allowPrivate: z.boolean().optional(),
    ...notifierOptions,
  }),
  strict({
    kind: z.literal('email'),
    to: z.array(text).min(1),
    from: text,
    host: text,
    port: z.int().min(1).max(65_535).optional(),
    user: textOrReference.optional(),
    password: reference.optional(),
    tls: z.boolean().optional(),
    ...notifierOptions,
  }),
])

/** The path where code models live in JSON Schema: nowhere, as JSON cannot hold a function. */
const codeModel = strict({
  kind: z.literal('code'),
  inputs: z.array(name).min(1),
  columns: z.record(name, columnInput).optional(),
  make: z.custom<(...args: never[]) => unknown>((value) => typeof value === 'function', 'a function'),
})

const pipelineShape = {
  $schema: z.string().optional(),
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'lower-case letters, digits, _ and -, at most 63, starting with a letter')
    .meta({ description: "The pipeline's name, unique in the project" }),
  layers: z.array(identifier).min(1).optional().meta({ description: 'Default: raw, stage, analytics' }),
  sources: z.record(identifier, source).optional().meta({ description: 'By table name; they land in the first layer' }),
  tables: z.record(name, tableOptions).optional().meta({ description: 'By full name, <layer>.<table>' }),
  loads: z.record(identifier, load).optional().meta({ description: "By the warehouse table's name" }),
  schedule: strict({
    cron: z.string().refine(isCron, 'a cron expression of five fields: minute hour day month weekday'),
    zone: z.string().refine(isZone, 'an IANA zone such as Europe/London').optional(),
  }).optional(),
  notifications: z.array(notifier).optional(),
  description: z.string().optional(),
}

/** `pipeline.ts`. */
export const pipelineSchema = strict({ ...pipelineShape, models: z.record(name, codeModel).optional() })

/** `pipeline.json` and `pipeline.yaml`: the same without code models. */
export const pipelineDataSchema = strict(pipelineShape)

const entryShape = procedure.omit({ kind: true, connection: true }).shape

/** A list of procedures in a file of its own; each entry is checked as a source once it is one. */
export const procedureListSchema = z.array(strict({ table: identifier.optional(), ...entryShape }))

const connection = strict({
  kind: z.enum(['sqlserver', 'postgres', 'mysql']),
  host: textOrReference,
  port: z.union([z.int().min(1).max(65_535), secretReference, envReference]).optional(),
  database: textOrReference,
  user: textOrReference,
  password: reference,
  tls: z.enum(['verified', 'unverified', 'off']).optional(),
  ca: belowProject.optional().meta({ description: 'A file below the project with the certificates (PEM) to trust' }),
  serverName: text.optional(),
  maxConnections: z.int().min(1).max(100).optional().meta({ description: 'Connections at a time. Default: 4' }),
  connectTimeoutSeconds: z.int().min(1).max(600).optional(),
})

/** `sluice.config`. */
export const configSchema = strict({
  $schema: z.string().optional(),
  name: name.meta({ description: "The project's name" }),
  pipelines: belowProject.optional().meta({ description: 'The folder of pipelines. Default: pipelines' }),
  lake: z
    .union([belowProject, strict({ path: belowProject.optional(), retention: retention.optional() })])
    .optional()
    .meta({ description: 'Where versions live, and how many are kept. Default: lake' }),
  warehouse: z.discriminatedUnion('kind', [strict({ kind: z.literal('duckdb'), path: belowProject })]).optional(),
  connections: z
    .record(
      z.string().regex(/^[A-Za-z][\w-]{0,62}$/, 'letters, digits, _ and -, at most 63, starting with a letter'),
      connection,
    )
    .optional()
    .meta({ description: 'Database servers that sources call, by the name that sources use' }),
  engine: strict({
    memoryLimit: z
      .string()
      .regex(/^\d+(\.\d+)?\s*([KMGT]i?B)$/, 'a size such as 512MB or 2GiB')
      .optional(),
    threads: z.int().min(1).max(1024).optional(),
    tempDirectory: text.optional(),
    tempLimit: z
      .string()
      .regex(/^\d+(\.\d+)?\s*([KMGT]i?B)$/, 'a size such as 512MB or 2GiB')
      .optional(),
  }).optional(),
  concurrency: z.int().min(1).max(64).optional().meta({ description: 'Tasks at a time. Default: 2' }),
  notifications: z.array(notifier).optional(),
})
