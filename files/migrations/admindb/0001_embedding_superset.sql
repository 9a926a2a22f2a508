-- Brings langchain_pg_embedding as deployed (primary key uuid, for langchain_community) to the superset that
-- langchain_postgres works with too: a primary key "id" of text. Every row stays. A row's id is its custom_id, by which
-- its client knows it, where no other row has the same; else it is its uuid. Where the table is there in this shape
-- already, or not at all, nothing is done: what is missing as a whole is added by the comparison that follows.

DO $migration$
DECLARE
    embeddings regclass := to_regclass('public.langchain_pg_embedding');
    primary_key name;
BEGIN
    IF embeddings IS NULL
       OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = embeddings AND attname = 'id' AND NOT attisdropped) THEN
        RETURN;
    END IF;

    LOCK TABLE public.langchain_pg_embedding IN ACCESS EXCLUSIVE MODE;
    ALTER TABLE public.langchain_pg_embedding ADD COLUMN id varchar;

    UPDATE public.langchain_pg_embedding AS embedding
       SET id = CASE WHEN known.alone AND NOT EXISTS (SELECT FROM public.langchain_pg_embedding AS other
                                                       WHERE other.uuid::text = known.custom_id AND other.uuid <> known.uuid)
                     THEN known.custom_id ELSE known.uuid::text END
      FROM (SELECT uuid, custom_id, custom_id <> '' AND count(*) OVER (PARTITION BY custom_id) = 1 AS alone
              FROM public.langchain_pg_embedding) AS known
     WHERE known.uuid = embedding.uuid;

    SELECT conname INTO primary_key FROM pg_constraint
     WHERE conrelid = embeddings AND contype = 'p';
    IF primary_key IS NOT NULL THEN
        EXECUTE format('ALTER TABLE public.langchain_pg_embedding DROP CONSTRAINT %I', primary_key);
    END IF;
    ALTER TABLE public.langchain_pg_embedding
        ALTER COLUMN id SET DEFAULT gen_random_uuid()::text,
        ALTER COLUMN uuid SET NOT NULL,
        ALTER COLUMN document DROP NOT NULL,
        ADD CONSTRAINT langchain_pg_embedding_pkey PRIMARY KEY (id),
        ADD CONSTRAINT langchain_pg_embedding_uuid_key UNIQUE (uuid);
END
$migration$;

DO $migration$
BEGIN
    IF to_regclass('public.langchain_pg_embedding') IS NOT NULL THEN
        CREATE INDEX IF NOT EXISTS ix_cmetadata_gin ON public.langchain_pg_embedding USING gin (cmetadata jsonb_path_ops);
    END IF;
    IF to_regclass('public.system_settings') IS NOT NULL THEN
        INSERT INTO public.system_settings AS known (key, value)
        VALUES ('schema_version', json_build_object('version', '1.0.0', 'applied_at', now()))
        ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, updated_at = now()
         WHERE known.value ->> 'version' IS DISTINCT FROM EXCLUDED.value ->> 'version';
    END IF;
END
$migration$;
