/**
 * Every error that Sluice can raise: name, number, exit code, whether a retry may help, and the text.
 *
 * Names and numbers are permanent: deprecate, never delete or reuse. Messages are full sentences from the user's side: what happened,
 * and why; the hint is what to do next, and says what is still safe. Numbers: 1xxx project and definition, 2xxx SQL and plan,
 * 3xxx sources, 4xxx run and state, 5xxx quality, 6xxx warehouses, 8xxx notifications, 9xxx internal.
 * Exit codes are those of the CLI: 1 something failed, 2 wrong usage or definition, 3 an outside system refused, 5 busy, 70 a bug.
 *
 * The registry is assembled from one file per range under `registry/`.
 */
import { cdcErrors } from './registry/cdc.ts'
import { changesErrors } from './registry/changes.ts'
import { cliErrors } from './registry/cli.ts'
import { connectionErrors } from './registry/connections.ts'
import { definitionErrors } from './registry/definition.ts'
import { engineErrors } from './registry/engines.ts'
import { internalErrors } from './registry/internal.ts'
import { lakeErrors } from './registry/lake.ts'
import { notificationErrors } from './registry/notifications.ts'
import { objectErrors } from './registry/objects.ts'
import { qualityErrors } from './registry/quality.ts'
import { runErrors } from './registry/run.ts'
import { sourceErrors } from './registry/sources.ts'
import { sqlErrors } from './registry/sql.ts'
import { targetErrors } from './registry/targets.ts'
import { warehouseErrors } from './registry/warehouses.ts'

export type { ErrorEntry } from './registry/entry.ts'
export { retiredErrors } from './registry/retired.ts'

/** All entries, by name. */
export const registry = {
  ...definitionErrors,
  ...cliErrors,
  ...sqlErrors,
  ...connectionErrors,
  ...sourceErrors,
  ...cdcErrors,
  ...changesErrors,
  ...lakeErrors,
  ...objectErrors,
  ...engineErrors,
  ...runErrors,
  ...qualityErrors,
  ...warehouseErrors,
  ...targetErrors,
  ...notificationErrors,
  ...internalErrors,
}

/** The permanent name of an error. */
export type ErrorName = keyof typeof registry

/** What the named error's text is made from. */
export type ErrorParams<N extends ErrorName> = Parameters<(typeof registry)[N]['message']>[0]
