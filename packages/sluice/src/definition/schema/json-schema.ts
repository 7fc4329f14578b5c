/** The published JSON Schema of definitions in JSON and YAML, made from the very schemas that check them. */
import { z } from 'zod'
import { procedureListSchema } from '../procedures/schema.ts'
import { configSchema, pipelineDataSchema } from './schema.ts'

/**
 * The JSON Schemas by file name, as they lie in the package's `schema/` folder.
 *
 * @example jsonSchemas()['pipeline.schema.json'].title
 */
export function jsonSchemas(): { readonly [file: string]: { readonly [key: string]: unknown } } {
  return {
    'pipeline.schema.json': published('A Sluice pipeline', pipelineDataSchema),
    'procedures.schema.json': published('A list of procedures', procedureListSchema),
    'config.schema.json': published('The configuration of a Sluice project', configSchema),
  }
}

function published(title: string, schema: z.ZodType): { readonly [key: string]: unknown } {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input' })
  return { $schema, title, ...rest }
}
