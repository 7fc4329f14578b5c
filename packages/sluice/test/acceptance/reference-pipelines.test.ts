import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { command, deliver, makeProject, query, realFiles } from './project.ts'

const config = (name: string): string =>
  `import { defineConfig } from 'sluice'\nexport default defineConfig({ name: '${name}', warehouse: { kind: 'duckdb', path: 'warehouse.duckdb' } })\n`
const manifest = '{ "private": true, "type": "module" }'

const p1 = realFiles('seeds/001_s3_to_redshift')
test.skipIf(p1 === undefined)(
  `P1: a dropped CSV lands in the warehouse, to the cent${p1 === undefined ? ' (skipped: ../shared/data/seeds/001_s3_to_redshift is absent)' : ''}`,
  async () => {
    const root = makeProject({
      'package.json': manifest,
      'sluice.config.ts': config('p1'),
      'pipelines/sales/pipeline.ts': `
import { column, date, decimal, files, pipeline, replace } from 'sluice'
export default pipeline('sales', {
  sources: {
    sales: files('inbox/*.csv', {
      columns: {
        region: column('text', { from: 'Region' }), country: column('text', { from: 'Country' }), item_type: column('text', { from: 'Item Type' }),
        sales_channel: column('text', { from: 'Sales Channel' }), order_priority: column('text', { from: 'Order Priority' }),
        order_date: column('date', { from: 'Order Date', format: 'M/d/yyyy' }), order_id: column('bigint', { from: 'Order ID' }),
        ship_date: column('date', { from: 'Ship Date', format: 'M/d/yyyy' }), units_sold: column('integer', { from: 'Units Sold' }),
        unit_price: column('decimal(12,2)', { from: 'Unit Price' }), unit_cost: column('decimal(12,2)', { from: 'Unit Cost' }),
        total_revenue: column('decimal(14,2)', { from: 'Total Revenue' }), total_cost: column('decimal(14,2)', { from: 'Total Cost' }),
        total_profit: column('decimal(14,2)', { from: 'Total Profit' }),
      },
    }),
  },
  loads: { sales: replace({ from: 'stage.sales' }) },
})
`,
      'pipelines/sales/stage/sales.sql': 'SELECT * EXCLUDE (_file) FROM raw.sales\n',
    })
    deliver(root, join(p1 as string, 'SampleSalesData.csv.csv'), 'inbox/SampleSalesData.csv')
    const result = await command(root, ['run'])
    expect(result.code, result.stderr).toBe(0)
    expect(
      await query(
        root,
        'SELECT count(*) AS n, sum(total_revenue) AS revenue, sum(total_profit) AS profit FROM warehouse.sales',
      ),
    ).toEqual([{ n: '1000', revenue: '1327321840.33', profit: '391202611.56' }])
  },
)

const p3 = realFiles('seeds/003_medallion_zoop')
test.skipIf(p3 === undefined)(
  `P3: Parquet through bronze, silver and gold${p3 === undefined ? ' (skipped: ../shared/data/seeds/003_medallion_zoop is absent)' : ''}`,
  async () => {
    const root = makeProject({ 'package.json': manifest, 'sluice.config.ts': config('p3') })
    for (const [file, folder] of [
      ['vendas_zoop_bronze.parquet', 'sales'],
      ['estoques_zoop_bronze.parquet', 'inventory'],
      ['redes_sociais_zoop_bronze.parquet', 'social'],
    ] as const) {
      deliver(root, join(p3 as string, file), `inbox/${folder}/${file}`)
    }
    // A crawl proposes each contract; it is taken as proposed.
    const sources: string[] = []
    for (const folder of ['sales', 'inventory', 'social']) {
      const result = await command(root, ['crawl', `inbox/${folder}/*.parquet`, '--json'])
      expect(result.code, result.stderr).toBe(0)
      const proposal = JSON.parse(result.stdout) as {
        columns: { name: string; type: string; nullable: boolean }[]
        files: { rows: number }[]
      }
      expect(proposal.files[0]?.rows).toBe({ sales: 10_000, inventory: 1_140, social: 10_000 }[folder])
      const columns = proposal.columns.map(
        ({ name, type, nullable }) => `${JSON.stringify(name)}: column('${type}', { nullable: ${nullable} })`,
      )
      sources.push(`${folder}: files('inbox/${folder}/*.parquet', { columns: { ${columns.join(', ')} } })`)
    }
    const write = (path: string, text: string): void => writeFileSync(join(root, path), text)
    for (const folder of ['silver', 'gold']) mkdirSync(join(root, `pipelines/zoop/${folder}`), { recursive: true })
    write(
      'pipelines/zoop/pipeline.ts',
      `import { column, files, pipeline, replace } from 'sluice'
export default pipeline('zoop', {
  layers: ['bronze', 'silver', 'gold'],
  sources: { ${sources.join(',\n')} },
  loads: { quantities: replace({ from: 'gold.quantities' }) },
})
`,
    )
    expect(sources[0]).toContain('Mês')
    write('pipelines/zoop/silver/sales.sql', 'SELECT * EXCLUDE (_file) FROM bronze.sales\n')
    write('pipelines/zoop/silver/inventory.sql', 'SELECT * EXCLUDE (_file) FROM bronze.inventory\n')
    write(
      'pipelines/zoop/gold/quantities.sql',
      'SELECT (SELECT sum("Quantidade") FROM silver.sales) AS sold, (SELECT sum("Quantidade_vendida") FROM silver.inventory) AS taken\n',
    )
    const result = await command(root, ['run'])
    expect(result.code, result.stderr).toBe(0)
    expect(await query(root, 'SELECT sold::BIGINT AS sold, taken::BIGINT AS taken FROM warehouse.quantities')).toEqual([
      { sold: '20078', taken: '20078' },
    ])
  },
)

const p4 = realFiles('seeds/004_club_games')
test.skipIf(p4 === undefined)(
  `P4: validated, staged, archived; twice is once; a bad header goes to the error folder${p4 === undefined ? ' (skipped: ../shared/data/seeds/004_club_games is absent)' : ''}`,
  async () => {
    const file = join(p4 as string, 'club_games_30032024.csv')
    const root = makeProject({
      'package.json': manifest,
      'sluice.config.ts': config('p4'),
      'pipelines/games/pipeline.ts': `
import { files, pipeline, upsert } from 'sluice'
export default pipeline('games', {
  sources: {
    club_games: files('inbox/club_games_*.csv', {
      columns: {
        game_id: 'bigint', club_id: 'integer', own_goals: 'integer', own_position: 'integer', own_manager_name: 'text', opponent_id: 'integer',
        opponent_goals: 'integer', opponent_position: 'integer', opponent_manager_name: 'text', hosting: 'text', is_win: 'integer',
      },
    }),
  },
  loads: { club_games: upsert({ from: 'stage.club_games', key: ['game_id', 'club_id'] }) },
})
`,
      'pipelines/games/stage/club_games.sql': 'SELECT * EXCLUDE (_file) FROM raw.club_games\n',
    })
    const figures = (): Promise<Record<string, unknown>[]> =>
      query(
        root,
        `SELECT (SELECT count(*) FROM stage.club_games) AS stage, (SELECT count(*) FROM warehouse.club_games) AS target,
       (SELECT string_agg(own_manager_name, ', ' ORDER BY own_manager_name) FROM warehouse.club_games WHERE own_manager_name SIMILAR TO '.*[ğöç].*') AS names`,
      )
    deliver(root, file, 'inbox/club_games_30032024.csv')
    expect((await command(root, ['run'])).code).toBe(0)
    const first = await figures()
    expect(first).toMatchObject([{ stage: '10', target: '10' }])
    expect(first[0]?.['names']).toMatch(/Sami Uğurlu/)
    expect(existsSync(join(root, 'archive/club_games/club_games_30032024.csv'))).toBe(true)

    deliver(root, file, 'inbox/club_games_30032024.csv')
    expect((await command(root, ['run'])).code).toBe(0)
    expect(await figures()).toEqual(first)

    writeFileSync(join(root, 'inbox/club_games_31032024.csv'), readFileSync(file, 'utf8').replace('own_goals', 'goals'))
    const refused = await command(root, ['run'])
    expect(refused.code, 'a refused file is a failure that a scheduler must see').toBe(1)
    const error = readdirSync(join(root, 'error/club_games'))
    expect(error).toContain('club_games_31032024.csv')
    const report = error.find((name) => name.endsWith('.report.json'))
    expect(readFileSync(join(root, 'error/club_games', report ?? ''), 'utf8')).toContain('own_goals')
    expect(await figures()).toEqual(first)
  },
)
