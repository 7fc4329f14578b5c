import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

test('npm ci takes the lock file: it refuses one that lacks a platform of any package', () => {
  const cwd = resolve(import.meta.dirname, '../../../..')
  const args = ['ci', '--dry-run', '--offline', '--ignore-scripts', '--no-audit', '--no-fund']
  const { status, stderr } = spawnSync('npm', args, { cwd, encoding: 'utf8', shell: process.platform === 'win32' })
  expect(status, stderr).toBe(0)
})
