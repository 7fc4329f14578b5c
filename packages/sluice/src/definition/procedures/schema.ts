/** The schemas of procedures as sources, of lists of them, and of the connections that they are called over. */
import { z } from 'zod'
import { columnMisfits, procedureMisfits } from '../problems/consistency.ts'
import {
  belowProject,
  checkInput,
  columnShape,
  columnType,
  consistent,
  count,
  envReference,
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
} from '../schema/parts.ts'
import { connectionMisfits } from './connections.ts'
import { isStart, procedureNameRule } from './rules.ts'

const resultColumn = strict({
  ...columnShape,
  serverType: text.optional().meta({ description: 'The type as the server declares it: datetime2(7)' }),
})
const resultColumnInput = z.union([columnType, consistent(resultColumn, columnMisfits)]).meta({ id: 'ResultColumn' })

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
  strict({ $parameter: name }),
  strict({ $each: strict({ table: name, column: name, type: columnType.optional(), as: identifier.optional() }) }),
])
const parameterName = z
  .string()
  .regex(/^[\p{L}_#][\p{L}\p{N}_#$]{0,126}$/u, 'letters, digits and _, without @, at most 127')

const shape = strict({
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

/** A procedure as a source. */
export const procedure = consistent(shape, procedureMisfits)

const entryShape = shape.omit({ kind: true, connection: true }).shape

/** A list of procedures in a file of its own; each entry is checked as a source once it is one. */
export const procedureListSchema = z.array(strict({ table: identifier.optional(), ...entryShape }))

const login = z
  .discriminatedUnion('kind', [
    strict({ kind: z.literal('ntlm'), domain: textOrReference }),
    strict({ kind: z.literal('entra-password'), clientId: textOrReference, tenantId: textOrReference.optional() }),
    strict({ kind: z.literal('entra-token'), token: reference }),
    strict({
      kind: z.literal('entra-service-principal'),
      tenantId: textOrReference,
      clientId: textOrReference,
      clientSecret: reference,
    }),
    strict({ kind: z.literal('entra-managed-identity'), clientId: textOrReference.optional() }),
    strict({ kind: z.literal('entra-default'), clientId: textOrReference.optional() }),
  ])
  .meta({ description: 'How SQL Server knows who calls, other than by a login of its own' })

const connectionShape = strict({
  kind: z.enum(['sqlserver', 'postgres', 'mysql']),
  host: textOrReference.meta({ description: 'For SQL Server also server\\instance, and server,port' }),
  port: z.union([z.int().min(1).max(65_535), secretReference, envReference]).optional(),
  database: textOrReference,
  user: textOrReference.optional(),
  password: reference.optional(),
  login: login.optional(),
  tls: z
    .enum(['verified', 'strict', 'unverified', 'off'])
    .optional()
    .meta({ description: 'Default: verified. strict is TDS 8 of SQL Server' }),
  ca: belowProject.optional().meta({ description: 'A file below the project with the certificates (PEM) to trust' }),
  serverName: text.optional(),
  maxConnections: z.int().min(1).max(100).optional().meta({ description: 'Connections at a time. Default: 4' }),
  connectTimeoutSeconds: z.int().min(1).max(600).optional(),
  readOnlyIntent: z.boolean().optional().meta({ description: 'SQL Server: ApplicationIntent=ReadOnly' }),
  multiSubnetFailover: z.boolean().optional().meta({ description: 'SQL Server: MultiSubnetFailover=True' }),
})

/** A database server. */
export const connection = consistent(connectionShape, connectionMisfits)
