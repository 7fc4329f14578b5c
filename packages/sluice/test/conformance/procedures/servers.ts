/** The servers that the suite runs against. A new one is one entry here, and a file beside its siblings. */
import { afterAll, beforeEach, describe, test } from 'vitest'
import { mysql } from './mysql.ts'
import { postgres } from './postgres.ts'
import type { ServerKind, ServerUnderTest } from './server.ts'
import { sqlServer } from './sqlserver.ts'
import { variable } from './sqlserver-address.ts'
import { realSqlServer } from './sqlserver-real.ts'

const kinds: readonly ServerKind[] = [sqlServer, ...realSqlServer(process.env[variable]), postgres, mysql]

/** Runs the tests once for each server; one that cannot be had is skipped by name, with what was missing. */
export async function onEachServer(
  name: string,
  tests: (server: () => Promise<ServerUnderTest>, kind: ServerKind) => void,
): Promise<void> {
  for (const kind of kinds) {
    const missing = await kind.missing()
    describe(`${name}: ${kind.name}`, () => {
      if (missing !== undefined) return test.skip(`missed ${missing}`, () => undefined)
      let started: Promise<ServerUnderTest> | undefined
      afterAll(async () => (await started)?.stop())
      const start = () => (started ??= kind.start())
      beforeEach(async ({ task, skip }) => {
        const why = (await start()).unproven?.(task.name)
        if (why !== undefined) skip(why)
      })
      return tests(start, kind)
    })
  }
}
