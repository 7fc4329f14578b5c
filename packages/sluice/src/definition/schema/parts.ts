/** What the schemas of definitions are made of: names, references, columns, checks and limits. */
import { z } from 'zod'
import { simpleTypes } from '../columns.ts'
import { checkMisfits, columnMisfits, type Misfit } from '../problems/consistency.ts'
import { isZone } from '../schedule.ts'
import { isOnS3, s3Address } from './s3-address.ts'

/** An object that refuses unknown keys, and says which it knows. */
export function strict<S extends z.ZodRawShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(',') : undefined),
  })
}

/** Adds what {@link Misfit}s a value has to what is wrong with it. */
export function consistent<S extends z.ZodType>(schema: S, misfits: (value: never) => readonly Misfit[]): S {
  return schema.superRefine((value, context) => {
    for (const { key, expected } of misfits(value as never))
      context.addIssue({ code: 'custom', path: [key], message: expected, input: value })
  })
}

/** A text that is not empty. */
export const text = z.string().min(1)
/** A name of anything. */
export const name = text.max(128)
/** A number of things. */
export const count = z.int().min(0)
const share = z.number().min(0).max(1)
const amount = z.union([z.number(), z.string().regex(/^[-+]?\d+(\.\d+)?$/, 'a decimal number')])
const bound = z.union([z.number(), text])
/** Names of columns. */
export const columns = z.array(name).min(1)
/** The columns of a key. */
export const keyColumns = z.union([name, columns])

/** A zone of the IANA time zone database. */
export const zone = z.string().refine(isZone, 'an IANA zone such as Europe/London')

/** A secret, by its name. */
export const secretReference = strict({ $secret: name }).meta({ description: 'A secret, by its name' })
/** An environment variable, by its name. */
export const envReference = strict({ $env: name, default: z.string().optional() }).meta({
  description: 'An environment variable, by its name',
})
/** A reference to what is kept outside the definition. */
export const reference = z.union([secretReference, envReference])
/** Text, or a reference to where it is kept. */
export const textOrReference = z.union([text, secretReference, envReference])

const decimalPattern = /^decimal\(\s*([1-9]|[12]\d|3[0-8])\s*,\s*(\d|[12]\d|3[0-8])\s*\)$/

/** A column type, by its name. */
export const columnType = z
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

/** What every column may say. */
export const columnShape = {
  type: columnType.meta({ description: 'The column type' }),
  nullable: z.boolean().optional(),
  from: name.optional().meta({ description: "The column's name in the file, where it differs" }),
  nulls: z.array(z.string()).optional().meta({ description: 'Texts that mean NULL, exactly as written' }),
  format: z
    .union([text, z.array(text).min(1)])
    .optional()
    .meta({ description: 'The accepted pattern of dates and times, or several' }),
  zone: zone.optional(),
  overlap: z.enum(['reject', 'earlier', 'later']).optional(),
  fraction: z
    .enum(['reject', 'truncate'])
    .optional()
    .meta({ description: 'Digits of a second beyond the sixth: they refuse the row, or are cut' }),
  trueValues: z.array(z.string()).min(1).optional(),
  falseValues: z.array(z.string()).min(1).optional(),
  decimalSeparator: z.string().length(1).optional(),
  groupSeparator: z.string().length(1).optional(),
  trim: z.boolean().optional(),
  encoding: z.enum(['hex', 'base64']).optional(),
  description: z.string().optional(),
}

/** A column: the name of its type, or in full. */
export const columnInput = z.union([columnType, consistent(strict(columnShape), columnMisfits)]).meta({ id: 'Column' })

/** A column of files, whose header may change over time. */
export const fileColumnInput = z
  .union([
    columnType,
    consistent(
      strict({
        ...columnShape,
        aliases: z.array(name).min(1).optional().meta({ description: 'Other names of the column in some files' }),
        optional: z.boolean().optional().meta({ description: 'NULL in files that lack the column' }),
      }),
      columnMisfits,
    ),
  ])
  .meta({ id: 'FileColumn' })

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

/** A check of any kind. */
export const checkInput = consistent(
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

/** A path below the project. */
export const belowProject = text.refine(isBelow, 'a path below the project, without ".."')
/** A path below the project, or in a bucket. */
export const belowProjectOrOnS3 = text.refine(
  (path) => (isOnS3(path) ? s3Address(path) !== undefined : isBelow(path)),
  'a path below the project, without "..", or s3://bucket/path',
)

function isBelow(path: string): boolean {
  const isAbsolute = /^([/\\]|[A-Za-z]:|~)/.test(path) || isOnS3(path)
  return !isAbsolute && !path.split(/[/\\]/).includes('..') && !path.includes('\0')
}

/** When quarantined rows are too many. */
export const quarantine = strict({
  maxShare: share.optional(),
  minRows: count.optional(),
  maxRows: count.optional(),
}).optional()
/** What a delivery's number of rows must be. */
export const rowCount = strict({
  ...countBounds,
  minShareOfPrevious: z.number().min(0).optional(),
  maxShareOfPrevious: z.number().min(0).optional(),
}).optional()
/** Seconds before something is stopped. */
export const timeoutSeconds = z.int().min(1).max(86_400).optional()

/** A name that engines take without quotes. */
export const identifier = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'letters, digits and _, at most 63, not starting with a digit')
