/** The schemas of changes as a source, of the tables that are made of them, and of lookups. */
import { z } from 'zod'
import {
  checkInput,
  columnInput,
  consistent,
  count,
  identifier,
  keyColumns,
  name,
  quarantine,
  strict,
  text,
} from '../schema/parts.ts'
import { cdcMisfits, changesMisfits } from './rules.ts'

const bytes = z.int().min(1)
const slot = z.string().regex(/^[a-z0-9_]{1,63}$/, 'lower-case letters, digits and _, at most 63')
const capturedTable = z
  .string()
  .regex(/^(?:[^."]+|"(?:[^"]|"")+")\.(?:[^."]+|"(?:[^"]|"")+")$/, 'a table with its schema, such as public.customers')

/** Changes as a source. */
export const cdc = consistent(
  strict({
    kind: z.literal('cdc'),
    connection: name.meta({ description: "The connection's name in sluice.config" }),
    tables: z.array(capturedTable).min(1).meta({ description: 'The captured tables: public.customers' }),
    slot: slot.optional().meta({ description: 'The replication slot. Default: sluice_<project>_<source>' }),
    publication: identifier.optional().meta({ description: 'The publication. Default: sluice_<project>_<source>' }),
    partitionBy: z.enum(['day', 'hour']).optional(),
    truncate: z.enum(['apply', 'pause']).optional(),
    failover: z.boolean().optional().meta({ description: 'A slot that standbys take over. Default: false' }),
    snapshot: strict({
      connections: z.int().min(1).max(64).optional(),
      chunkPages: z.int().min(1).optional(),
    }).optional(),
    maxBatchRows: z.int().min(1).optional(),
    maxBatchBytes: bytes.optional(),
    memoryBytes: bytes.optional(),
    spillBytes: bytes.optional(),
    heartbeatSeconds: count.optional(),
    lag: strict({
      warnBytes: bytes.optional(),
      alertBytes: bytes.optional(),
      warnSeconds: z.number().positive().optional(),
      alertSeconds: z.number().positive().optional(),
      repeatSeconds: z.number().positive().optional(),
    }).optional(),
    description: z.string().optional(),
  }),
  cdcMisfits,
)

/** A table that is made of changes. */
export const changes = consistent(
  strict({
    from: name.meta({ description: 'The log, or the files: <layer>.<table> of a source' }),
    table: capturedTable.optional().meta({ description: 'The table of the log: public.customers' }),
    dms: strict({ op: name.optional(), committedAt: name.optional() })
      .optional()
      .meta({ description: 'Files that AWS DMS has written' }),
    as: z.enum(['current', 'history']).optional(),
    key: keyColumns,
    columns: z.record(name, columnInput).optional(),
    transforms: z.record(identifier, text).optional().meta({ description: 'SQL over the row, by column' }),
    checks: z.array(checkInput).optional(),
    quarantine,
  }),
  changesMisfits,
)

/** Surrogate keys that a load looks up, by the column that takes them. */
export const lookups = z
  .record(
    identifier,
    strict({
      dimension: name.meta({ description: 'The target of an scd2 load' }),
      key: z
        .record(name, name)
        .refine((value) => Object.keys(value).length > 0, 'at least one column')
        .meta({ description: "Columns of this table, each with the dimension's column that it is compared with" }),
      at: name.meta({ description: "The column with the row's time" }),
      missing: z.enum(['infer', 'fail']).optional(),
    }),
  )
  .optional()
