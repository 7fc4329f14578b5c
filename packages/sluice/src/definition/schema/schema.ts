/**
 * The one description of what may be written, for TypeScript, JSON and YAML alike: zod schemas of the shapes in `input.ts`.
 *
 * They only say what is legal; defaults are filled in by `resolve.ts`, so the published JSON Schema is made from exactly these.
 */

import { z } from 'zod'
import { cdc, changes, lookups } from '../cdc/schema.ts'
import { encodings } from '../encodings.ts'
import { isParameterType, parameterMisfits } from '../parameters.ts'
import { csvMisfits, filesMisfits, scd2Misfits } from '../problems/consistency.ts'
import { connection, procedure } from '../procedures/schema.ts'
import { isCron } from '../schedule.ts'
import {
  belowProject,
  belowProjectOrOnS3,
  checkInput,
  columnInput,
  columns,
  columnType,
  consistent,
  count,
  envReference,
  fileColumnInput,
  identifier,
  keyColumns,
  name,
  quarantine,
  reference,
  rowCount,
  secretReference,
  strict,
  text,
  textOrReference,
  timeoutSeconds,
  zone,
} from './parts.ts'

const extraColumns = z.enum(['reject', 'ignore']).optional()
const compression = z.enum(['none', 'gzip', 'zstd']).optional()
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
        encoding: z.enum(encodings).optional(),
        skip: count.optional().meta({ description: 'Lines before the header, or before the first record' }),
        comment: text.optional().meta({ description: 'What a line begins with that is no record' }),
        footer: z
          .union([count, text])
          .optional()
          .meta({ description: 'How many lines end a file, or what its last line begins with' }),
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

const source = z.discriminatedUnion('kind', [
  procedure,
  cdc,
  consistent(
    strict({
      kind: z.literal('files'),
      path: belowProjectOrOnS3.meta({
        description: 'Below the project or in a bucket (s3://…), with * and ? in its last part and ** for folders',
      }),
      columns: z.record(name, fileColumnInput).refine((value) => Object.keys(value).length > 0, 'at least one column'),
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
      drift: z
        .enum(['freeze', 'evolve', 'quarantine'])
        .optional()
        .meta({ description: 'What becomes of a file with other columns. Default: freeze, it is refused' }),
      duplicateContent: z.enum(['skip', 'error', 'append']).optional(),
      changedContent: z.enum(['append', 'error', 'replace']).optional(),
      key: strict({
        columns,
        keep: z.union([z.literal('none'), strict({ firstBy: name }), strict({ lastBy: name })]),
      }).optional(),
      rowCount,
      archive: z.union([belowProjectOrOnS3, z.literal(false)]).optional(),
      error: belowProjectOrOnS3.optional(),
      ready: strict({ stableSeconds: z.number().min(0).optional(), marker: text.optional() }).optional(),
      limits: strict({
        maxBytes: z.int().positive().optional(),
        maxRatio: z.number().positive().optional(),
        maxRecordBytes: z.int().positive().optional(),
        maxFieldBytes: z.int().positive().optional(),
      }).optional(),
      description: z.string().optional(),
    }),
    filesMisfits,
  ),
])

const retention = strict({
  versions: z.int().min(1).optional(),
  days: z.number().min(0).optional(),
  quarantineDays: z
    .number()
    .min(0)
    .optional()
    .meta({ description: 'Refused rows that are older are removed from quarantine. Default: they stay' }),
})

const tableOptions = strict({
  copy: z
    .string()
    .regex(/^[A-Za-z_]\w*\.[A-Za-z_]\w*$/, 'the full name of a table, <layer>.<table>')
    .optional()
    .meta({ description: 'The table is a copy of the latest version of another: <layer>.<table>' }),
  changes: changes.optional().meta({ description: 'The table is made of changes' }),
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
  strict({ mode: z.literal('replace'), ...loadOptions, lookups }),
  strict({ mode: z.literal('incremental'), ...loadOptions, lookups, by: name }),
  strict({ mode: z.literal('append'), ...loadOptions, lookups, batch: name.optional() }),
  strict({ mode: z.literal('upsert'), ...loadOptions, lookups, key: keyColumns, deletes }),
  consistent(
    strict({
      mode: z.literal('scd2'),
      ...loadOptions,
      key: keyColumns,
      track: columns.optional(),
      effective: name.optional(),
      snapshot: name.optional().meta({ description: 'The column with the instant of the snapshot that a row is of' }),
      allowEmpty: z.boolean().optional(),
      minShareOfPrevious: z.number().min(0).max(1).optional(),
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
    scd2Misfits,
  ),
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

const parameterType = columnType.refine(
  isParameterType,
  'text, integer, bigint, decimal(p,s), float, boolean, date or timestamp, without spaces',
)
/** A type, or in full with a default of that type. */
const parameter = z.union([
  parameterType,
  consistent(
    strict({
      type: parameterType,
      default: z.union([z.string(), z.number(), z.boolean()]).optional(),
      description: z.string().optional(),
    }),
    parameterMisfits,
  ),
])

/** The path where code models live in JSON Schema: nowhere, as JSON cannot hold a function. */
const codeModel = strict({
  kind: z.literal('code'),
  inputs: z.array(name).min(1),
  columns: z.record(name, columnInput).optional(),
  parameters: z.array(name).optional(),
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
  parameters: z
    .record(
      z
        .string()
        .regex(/^[a-z][a-z0-9_]{0,62}$/, 'lower-case letters, digits and _, at most 63, starting with a letter'),
      parameter,
    )
    .optional()
    .meta({ description: 'What a run may be given, by name' }),
  schedule: strict({
    cron: z.string().refine(isCron, 'a cron expression of five fields: minute hour day month weekday'),
    zone: zone.optional(),
  }).optional(),
  notifications: z.array(notifier).optional(),
  description: z.string().optional(),
}

/** `pipeline.ts`. */
export const pipelineSchema = strict({ ...pipelineShape, models: z.record(name, codeModel).optional() })

/** `pipeline.json` and `pipeline.yaml`: the same without code models. */
export const pipelineDataSchema = strict(pipelineShape)

/** What a configuration says, and an environment may say otherwise. */
const settings = {
  lake: z
    .union([belowProjectOrOnS3, strict({ path: belowProjectOrOnS3.optional(), retention: retention.optional() })])
    .optional()
    .meta({ description: 'Where versions live, and how many are kept. Default: lake' }),
  s3: strict({
    region: text
      .optional()
      .meta({ description: "The region of the buckets. Default: the AWS SDK's (AWS_REGION, the profile)" }),
    endpoint: z
      .string()
      .regex(/^https?:\/\/[^/@]+\/?$/, 'an address such as https://s3.example.com')
      .optional()
      .meta({ description: "A store that is not Amazon's" }),
    pathStyle: z
      .boolean()
      .optional()
      .meta({ description: 'The bucket is in the path, not in the name of the host. Default: true with an endpoint' }),
    identity: z.enum(['version', 'content']).optional().meta({
      description:
        'What makes a delivery that one. Default: version, the id that a bucket with versioning gives; content: its ETag, size and time',
    }),
  })
    .optional()
    .meta({ description: 'How buckets are reached, where a path begins with s3://' }),
  warehouse: z
    .discriminatedUnion('kind', [
      strict({ kind: z.literal('duckdb'), path: belowProject }),
      strict({ kind: z.literal('postgres'), connection: z.string(), schema: identifier.optional() }),
    ])
    .optional(),
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
  runRetention: strict({ runs: z.int().min(1).optional(), days: z.number().min(0).optional() })
    .optional()
    .meta({ description: 'Records of runs that stay, whichever keeps more. Default: the newest 1000, and 30 days' }),
  notifications: z.array(notifier).optional(),
}

const environment = strict({
  target: z.enum(['local', 'aws']).optional().meta({ description: 'Where it runs. aws is for a later version' }),
  ...settings,
})

/** `sluice.config`. */
export const configSchema = strict({
  $schema: z.string().optional(),
  name: name.meta({ description: "The project's name" }),
  pipelines: belowProject.optional().meta({ description: 'The folder of pipelines. Default: pipelines' }),
  ...settings,
  environments: z
    .record(
      z
        .string()
        .regex(/^[a-z][a-z0-9-]{0,30}$/, 'lower-case letters, digits and -, at most 31, starting with a letter'),
      environment,
    )
    .optional()
    .meta({ description: 'What is different elsewhere, by the name that --env chooses' }),
})
