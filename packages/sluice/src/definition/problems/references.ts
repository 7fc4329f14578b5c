/** References to what is kept outside the definition: secrets and environment variables. */
import type { EnvReference, SecretReference, TextOrReference } from '../types.ts'

/**
 * A secret by its name. The value is read when it is used and is never stored, printed or hashed.
 *
 * @example secret('WEBHOOK_SECRET')
 */
export function secret(name: string): SecretReference {
  return { $secret: name }
}

/**
 * An environment variable by its name, and what stands in where it is not set.
 *
 * @example env('SMTP_USER', 'sluice')
 */
export function env(name: string, fallback?: string): EnvReference {
  return { $env: name, ...(fallback === undefined ? {} : { default: fallback }) }
}

/**
 * Whether a value refers to something, rather than being it.
 *
 * @example isReference({ $secret: 'TOKEN' }) // true
 */
export function isReference(value: unknown): value is SecretReference | EnvReference {
  return (
    typeof value === 'object' &&
    value !== null &&
    (typeof (value as { $secret?: unknown }).$secret === 'string' ||
      typeof (value as { $env?: unknown }).$env === 'string')
  )
}

/**
 * Every reference in a piece of a definition, at any depth.
 *
 * @example referencesOf(config.notifications) // [{ $secret: 'WEBHOOK_SECRET' }]
 */
export function referencesOf(value: unknown): Exclude<TextOrReference, string>[] {
  if (isReference(value)) return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(referencesOf)
}
